"""`scope`, RFC 6749 §3.3: names separated by single spaces, each of visible ASCII without `"` and `\\`."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from admit.errors import ClaimError

_ONE = r"[\x21\x23-\x5b\x5d-\x7e]+"
_SCOPE = re.compile(rf"{_ONE}(?: {_ONE})*")
_NAME = re.compile(_ONE)

NONE: frozenset[str] = frozenset()


def is_name(name: str) -> bool:
    """Whether the text can be one scope."""
    return _NAME.fullmatch(name) is not None


@lru_cache(maxsize=1_024)
def _parse(text: str) -> frozenset[str] | None:
    return frozenset(text.split(" ")) if _SCOPE.fullmatch(text) else None


def parse(text: str) -> frozenset[str]:
    """The set of scopes that the text names.

    Raises:
        ClaimError: doubled, leading or trailing spaces, or characters that no scope has; the empty text.
    """
    found = _parse(text)
    if found is None:
        raise ClaimError("scope", "scope is malformed")
    return found


def read(claims: Mapping[str, Any]) -> frozenset[str]:
    """The claim `scope`; absent is none. A list, as some issuers write it, is refused here."""
    value = claims.get("scope")
    if value is None and "scope" not in claims:
        return NONE
    if not isinstance(value, str):
        raise ClaimError("scope", "scope is not a string")
    return parse(value)


def write(scopes: Iterable[str]) -> str:
    """The text of a set of scopes, sorted, so that equal sets have equal texts.

    Raises:
        ClaimError: a name that cannot be one scope.
    """
    names = sorted(scopes)
    if not all(map(is_name, names)):
        raise ClaimError("scope", "a scope's name is malformed")
    return " ".join(names)
