"""Typed reading of claims: each function takes the verified claims and a name, and refuses any other type.

No message carries a claim's value.
"""

from collections.abc import Mapping
from typing import Any

from admit.errors import ClaimError
from admit.jose.claims import is_numeric_date

MAX_NAMES = 10_000
"""Entries of a claim that is a list of names."""

_EMPTY: frozenset[str] = frozenset()


def text(claims: Mapping[str, Any], name: str) -> str:
    """A string that is there and not empty."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise ClaimError(name, f"{name} is not a string")
    return value


def optional_text(claims: Mapping[str, Any], name: str) -> str | None:
    """A string that is not empty, or absent."""
    return text(claims, name) if name in claims else None


def short_text(claims: Mapping[str, Any], name: str, limit: int) -> str:
    """A string that is not empty and has at most `limit` characters: one that is kept must not fill the memory."""
    value = text(claims, name)
    if len(value) > limit:
        raise ClaimError(name, f"{name} is too long")
    return value


def instant(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate, RFC 7519 §2: seconds since the epoch, finite, not negative."""
    value: Any = claims.get(name)
    if not is_numeric_date(value):
        raise ClaimError(name, f"{name} is not a number of seconds")
    found: float = value
    return found


def names(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """A list of strings, RFC 9068 §2.2.3.1; absent is the empty set."""
    value = claims.get(name)
    if value is None and name not in claims:
        return _EMPTY
    return frozenset(_list_of_text(value, name))


def ordered_names(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings in the order given; absent is empty."""
    if name not in claims:
        return ()
    return tuple(_list_of_text(claims[name], name))


def _list_of_text(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        raise ClaimError(name, f"{name} is not a list of strings")
    for item in value:
        if not isinstance(item, str) or not item:
            raise ClaimError(name, f"{name} is not a list of strings")
    return value


def audience(claims: Mapping[str, Any]) -> frozenset[str]:
    """`aud`, RFC 7519 §4.1.3: one string, or a list of strings that is not empty."""
    value = claims.get("aud")
    if isinstance(value, str) and value:
        return frozenset((value,))
    found = frozenset(_list_of_text(value, "aud"))
    if not found:
        raise ClaimError("aud", "aud is empty")
    return found


def mapping(claims: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """An object, or absent."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if not isinstance(value, dict):
        raise ClaimError(name, f"{name} is not an object")
    return value
