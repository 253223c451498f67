"""Strict JSON objects, RFC 8259 and RFC 7515 §4: whatever two parsers could read differently is refused.

A compact text that encodes back to itself has no duplicate member, since no encoder writes one; that costs
one encoding. Any other text is read a second time by a second parser that sees every member, and both must
agree.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, TypeAlias

import msgspec

from admit.errors import MalformedTokenError

MAX_DEPTH = 32
MAX_SIZE = 65_536
"""Octets; a caller with smaller needs says so."""
_INT_MAX = 2**63 - 1
_INT_MIN = -(2**63)

_Scalar: TypeAlias = bool | Annotated[int, msgspec.Meta(ge=_INT_MIN, le=_INT_MAX)] | str | None
_Lists: TypeAlias = _Scalar | list[_Scalar]
_Nested: TypeAlias = _Scalar | list[_Lists] | dict[str, _Lists]
_Twice: TypeAlias = _Scalar | list[_Nested] | dict[str, _Nested]
# Objects as flat as nearly all are. The decoder holds range and depth while it reads, which costs nothing; what it
# refuses is read by the other one and checked value by value, which costs as much as the reading. It refuses numbers
# that are no integers as well: a few octets such as 9e307 take the decoder twenty times as long as they take Python,
# so Python reads them, and strangers who send nothing else gain nothing.
decode_flat = msgspec.json.Decoder(dict[str, _Twice]).decode
# The same for those who hand an object on as what nobody can change: lists are tuples, and no tuple holds an object.
_Tuples: TypeAlias = _Scalar | tuple[_Scalar, ...]
_Within: TypeAlias = _Scalar | tuple[_Tuples, ...] | dict[str, _Tuples]
_Members: TypeAlias = _Scalar | tuple[_Tuples, ...] | dict[str, _Within]
decode_frozen = msgspec.json.Decoder(dict[str, _Members]).decode
decode_any = msgspec.json.Decoder(Any, float_hook=float).decode
encode = msgspec.json.Encoder().encode


def loads_object(data: bytes, *, max_size: int = MAX_SIZE) -> dict[str, Any]:
    """Read one JSON object strictly.

    UTF-8 without byte order mark; no duplicate members at any depth; no NaN, Infinity or lone surrogate;
    nesting at most 32; integers within 64 bits with sign; at most `max_size` octets.

    Raises:
        MalformedTokenError: anything else.
    """
    if not isinstance(data, bytes):
        raise MalformedTokenError("JSON is read from octets")
    if len(data) > max_size:
        raise MalformedTokenError("JSON is too large")
    value = _read(data)
    if value is None:
        # Said here and not where it was noticed: what a parser raises may hold the text, and would go along as context.
        raise MalformedTokenError("not strict JSON")
    return value


def _read(data: bytes) -> dict[str, Any] | None:
    """The object; None where a parser or the encoder refuses the text."""
    value: dict[str, Any] | None
    try:
        try:
            value = decode_flat(data)
        except msgspec.ValidationError:
            value = None
        if value is None:
            found: object = decode_any(data)
            if not isinstance(found, dict):
                raise MalformedTokenError("not a JSON object")
            check_values(found)
            value = found
        if encode(value) != data:
            check_second_reading(data, value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value


def check_values(value: dict[str, Any] | list[Any], depth: int = 1) -> None:
    """Refuse nesting beyond `MAX_DEPTH`, integers beyond 64 bits and numbers that are not finite."""
    if depth > MAX_DEPTH:
        raise MalformedTokenError("JSON is nested too deeply")
    for item in value.values() if isinstance(value, dict) else value:
        kind = item.__class__
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not _INT_MIN <= item <= _INT_MAX:
                raise MalformedTokenError("an integer is out of range")
        elif kind is float:
            if not isfinite(item):
                raise MalformedTokenError("a number is not finite")
        else:
            check_values(item, depth + 1)


def check_second_reading(data: bytes, value: dict[str, Any]) -> None:
    """Read again with the standard library, which shows every member, and demand the same value."""
    import json as stdlib_json  # few tokens come here, so it is not loaded with the library

    text = data.decode("utf-8", "strict")
    if stdlib_json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant) != value:
        raise MalformedTokenError("JSON is ambiguous")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedTokenError("a JSON member is doubled")
    return members


def _no_constant(_: str) -> Any:
    raise MalformedTokenError("a number is not finite")


def dumps_object(value: Mapping[str, Any]) -> bytes:
    """Write one JSON object compactly, refusing what `loads_object` would refuse or read as something else.

    Only JSON's own types are written: a date, a set or octets would come back as another type, NaN as null.

    Raises:
        ValueError: a value of another type or out of range; the text names no value.
    """
    members = value if value.__class__ is dict else dict(value)
    for name, item in members.items():  # one look, which for most objects is all
        kind = item.__class__
        if name.__class__ is str and (kind is str or (kind is int and _INT_MIN <= item <= _INT_MAX)):
            continue
        _check_writable(members, 1)
        break
    try:
        return encode(members)
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError, TypeError):
        pass  # said below, without what was to be written in the error's context
    raise ValueError("not writable as strict JSON")


def _check_writable(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise ValueError("a member name is not a string")
        items: Any = value.values()
    else:
        items = value
    for item in items:
        kind = item.__class__
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not _INT_MIN <= item <= _INT_MAX:
                raise ValueError("an integer is out of range")
        elif kind is float:
            if not isfinite(item):
                raise ValueError("a number is not finite")
        elif kind is dict or kind is list or kind is tuple:
            _check_writable(item, depth + 1)
        else:
            raise ValueError("a value is of no JSON type")
