"""docs/settings.md from the configuration types: names, types, defaults, and the meaning from their docstrings.

A meaning stands in the class's docstring, as "name: meaning", "`name`: meaning" or a sentence that begins with the name
in backquotes, or in the comment beside or above the field. A field without one stops the run.
"""

import ast
import dataclasses
import enum
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field
from datetime import timedelta
from pathlib import Path
from typing import Any

from admit.issuer import Settings
from admit.issuer.app.settings import PREFIX
from admit.issuer.clients.records import Jwks

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/settings.md"
NOTE = "<!-- Written by `make docs` from the configuration types. Change those instead. -->\n"

HEAD = """# Settings

{note}
Settings are read from defaults, then the settings file, then the environment, then flags; later ones win. The file is
`admit.toml` in the folder where the command starts, or what `--config` or `ADMIT_CONFIG` names. In the environment a
setting is `ADMIT_` and its name in capitals, with `__` between a table and its member. Everything is checked before the
first request: an unknown name, a wrong type or values that do not fit end the start with one line.

Durations are written `90s`, `15m`, `8h` or `30d`. A list in the environment is written as in TOML: `["a", "b"]`.
`ADMIT_KEYS` is the key file's path, or its JSON. `admit doctor` tells what fits badly where it is used.
"""

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def page() -> str:
    """The page as it should be now."""
    sections = [HEAD.format(note=NOTE)]
    hints = typing.get_type_hints(Settings)
    plain, tables, lists = [], [], []
    for one in dataclasses.fields(Settings):
        kind = hints[one.name]
        if dataclasses.is_dataclass(kind):
            tables.append((one.name, kind))
        elif _element(kind) is not None:
            lists.append((one.name, _element(kind)))
        else:
            plain.append(one.name)
    sections.append("## At the top of the file\n\n" + _table(Settings, plain, prefix=""))
    for name, kind in tables:
        sections.append(f"## [{name}]\n\n{_summary(kind)}" + _table(kind, None, prefix=f"{name}."))
    for name, kind in lists:
        sections.append(f"## [[{name}]]\n\n{_summary(kind)}" + _table(kind, None, prefix=None))
    return "\n".join(sections).rstrip() + "\n"


def _element(kind: Any) -> Any:
    """The type of a list of tables; None for anything else."""
    arguments = typing.get_args(kind)
    listed = typing.get_origin(kind) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis
    return arguments[0] if listed and dataclasses.is_dataclass(arguments[0]) else None


def _table(kind: Any, only: list[str] | None, *, prefix: str | None) -> str:
    hints = typing.get_type_hints(kind)
    told = meanings(kind)
    named = prefix is not None
    lines = [
        "| name | type | default | " + ("environment | " if named else "") + "meaning |",
        "|---|---|---|" + ("---|" if named else "") + "---|",
    ]
    for one in dataclasses.fields(kind):
        if only is not None and one.name not in only:
            continue
        if one.name not in told:
            raise SystemExit(f"{kind.__module__}.{kind.__name__}.{one.name} has no meaning in its docstring")
        cells = [f"`{one.name}`", _type(hints[one.name]), _default(one, hints[one.name])]
        if prefix is not None:
            cells.append(f"`{PREFIX}{(prefix + one.name).replace('.', '__').upper()}`")
        lines.append("| " + " | ".join([*cells, _cell(told[one.name])]) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    text = " ".join(text.split()).strip(" ;,").replace("|", "\\|")
    text = text[:1].upper() + text[1:] if not text.startswith("`") else text
    return text if text.endswith((".", "!", "?")) else text + "."


def _summary(kind: Any) -> str:
    """The docstring's first paragraph, unless it speaks of single fields or of what the class raises."""
    first = inspect.getdoc(kind) or ""
    first = re.split(r"\n\s*\n", first)[0]
    start = min((match.start() for match in _markers(first, _names(kind))), default=len(first))
    text = " ".join(first[:start].split())
    text = re.sub(r"Raises ConfigError[^.]*\.", "", text).strip()
    return f"{text}\n\n" if text else ""


def _names(kind: Any) -> list[str]:
    return [one.name for one in dataclasses.fields(kind)]


def _markers(text: str, names: list[str]) -> Iterator[re.Match[str]]:
    """Where a docstring begins to speak of fields: `a`, `b`: …, or a line that begins a, b: …"""
    some = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    quoted = rf"`(?:{some})`(?:(?:,| and| in) `(?:{some})`)*(?: \([^)]*\))?:\s"
    bare = rf"(?m:^)[ \t]*(?:{some})(?:, (?:{some}))*:\s"
    yield from re.finditer(f"{quoted}|{bare}", text)


def meanings(kind: Any) -> dict[str, str]:
    """What each field means."""
    names, text = _names(kind), inspect.getdoc(kind) or ""
    told = dict(_comments(kind))
    for sentence in re.split(r"(?<=[.])\s+", " ".join(text.split())):
        match = re.match(r"`(\w+)`(?!:)(?!, `)", sentence)
        if match and match[1] in names:
            told.setdefault(match[1], sentence)
    found = list(_markers(text, names))
    windows: dict[str, list[str]] = {}
    for match, following in zip(found, [*found[1:], None][: len(found)], strict=True):
        meaning = text[match.end() : following.start() if following is not None else len(text)]
        meaning = re.split(r"\n\s*\n", meaning)[0]
        of = re.findall(r"\w+", re.sub(r"\([^)]*\)| in `\w+`", "", match[0]))
        for name in of:
            if name in names:
                told[name] = meaning
        if window := re.search(r"`(\w+)` in `(\w+)`", match[0]):
            windows.setdefault(window[2], []).append(f"`{window[1]}`")
    for name, counted in windows.items():
        told.setdefault(name, f"the time in which {', '.join(counted)} is counted")
    return told


def _comments(kind: Any) -> Iterator[tuple[str, str]]:
    """Comments beside a field or in the lines above it."""
    source = textwrap.dedent(inspect.getsource(kind))
    lines = source.splitlines()
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]  # the one class
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        last = lines[(node.end_lineno or node.lineno) - 1]
        beside = re.search(r"\s#\s(.*)$", last)
        above: list[str] = []
        for line in reversed(lines[: node.lineno - 1]):
            if not line.strip().startswith("#"):
                break
            above.insert(0, line.strip().lstrip("# "))
        inside = [
            match[1]
            for line in lines[node.lineno : node.end_lineno]
            if (match := re.search(r"#\s(.*)$", line))
        ]
        meaning = " ".join([*above, *([beside[1]] if beside and not inside else inside)])
        if meaning and not meaning.startswith("noqa"):
            yield node.target.id, meaning


def _type(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(one) for one in arguments if one is not type(None))
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (tuple, frozenset):
        inside = arguments if origin is tuple and arguments[-1] is not Ellipsis else arguments[:1]
        return f"list of {_type(inside[0])}" if len(inside) == 1 else f"list of {len(inside)}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_type(arguments[1])}"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    return {
        str: "text", int: "whole number", float: "number", bool: "`true`, `false`",
        timedelta: "duration", bytes: "SHA-256 in hex digits", Jwks: "JWK Set, as a table or as JSON text",
    }[kind]  # fmt: skip


def _default(one: "Field[Any]", kind: Any) -> str:
    value = one.default_factory() if one.default_factory is not MISSING else one.default
    if value is MISSING:
        return "needed"
    if value is None or value in ("", (), frozenset()) or (isinstance(value, Mapping) and not value):
        return ""
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, enum.Enum):
        return f'"{value.value}"'
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, frozenset):
        return _toml(tuple(sorted(value)))
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)


def duration(value: timedelta) -> str:
    """As the file would say it."""
    seconds = value.total_seconds()
    if seconds != int(seconds):
        return f"{round(seconds * 1000)}ms"
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds and seconds % size == 0), ("s", 1))
    return f"{int(seconds) // size}{unit}"
