"""From TOML and environment values to the frozen configuration types, strictly.

Unknown names, wrong types and impossible values are one-line `ConfigError`s that name the setting. The types
themselves hold the defaults and check what belongs together.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any

from admit.errors import ConfigError
from admit.issuer.app.durations import parse_duration
from admit.issuer.clients.records import Jwks


def build(kind: type[Any], raw: Mapping[str, Any], *, where: str = "") -> Any:
    """A `kind` (a dataclass) made of a table's values.

    Raises:
        ConfigError: unknown name, missing value, wrong type, or what the type itself refuses.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in raw:
        if name not in fields:
            raise ConfigError(f"{where}{name}: there is no such setting")
    values = {name: convert(hints[name], value, where=f"{where}{name}") for name, value in raw.items()}
    for name, field in fields.items():
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if missing and name not in values:
            raise ConfigError(f"{where}{name}: this setting is needed")
    return kind(**values)


def convert(kind: Any, value: Any, *, where: str) -> Any:
    """`value` as the type that a field declares."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(arguments, value, where=where)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: want one of {', '.join(map(str, arguments))}")
        return value
    if origin in (tuple, frozenset):
        if not isinstance(value, list):
            raise ConfigError(f"{where}: want a list")
        if origin is tuple and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                raise ConfigError(f"{where}: want a list of {len(arguments)}")
            return tuple(
                convert(kind, item, where=where) for kind, item in zip(arguments, value, strict=True)
            )
        items = [convert(arguments[0], item, where=where) for item in value]
        return tuple(items) if origin is tuple else frozenset(items)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: want a table")
        return MappingProxyType({k: convert(arguments[1], v, where=f"{where}.{k}") for k, v in value.items()})
    return _plain(kind, value, where=where)


def _plain(kind: Any, value: Any, *, where: str) -> Any:
    if kind is timedelta:
        if not isinstance(value, str):
            raise ConfigError(f"{where}: write a duration as 90s, 15m, 8h or 30d")
        return parse_duration(value, name=where)
    if kind is bytes:
        return _digest(value, where=where)
    if kind is Jwks:
        return _key_set(value, where=where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise ConfigError(
                f"{where}: want one of {', '.join(str(member.value) for member in kind)}"
            ) from None
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: want a table")
        return build(kind, value, where=f"{where}.")
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where}: want {_NAMES.get(kind, 'another type')}")
    return value


_NAMES: Mapping[Any, str] = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


def _digest(value: Any, *, where: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: want a SHA-256 in hex digits") from None


def _key_set(value: Any, *, where: str) -> Jwks:
    """A JWK Set as JSON text, RFC 7517 §5, written so or as a table."""
    if isinstance(value, Mapping):
        try:
            return Jwks(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError):
            raise ConfigError(f"{where}: want a JWK Set") from None
    if not isinstance(value, str):
        raise ConfigError(f"{where}: want a JWK Set, as a table or as JSON text")
    return Jwks(value)


def _first_that_fits(kinds: tuple[Any, ...], value: Any, *, where: str) -> Any:
    trouble: ConfigError | None = None
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return convert(kind, value, where=where)
        except ConfigError as error:
            trouble = trouble if trouble is not None else error
    raise trouble if trouble is not None else ConfigError(f"{where}: not usable")
