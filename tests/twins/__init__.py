"""Permissive versions of defences, one file a package, each with `TWINS: dict[str, Any]`.

A key is `package.module:function` or `package.module:Class.method`. A twin takes what the defence takes and lets
everything pass. Twins live here only: nothing under `src` can switch a defence off.
"""
