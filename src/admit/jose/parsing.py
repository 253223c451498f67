"""Octets of strangers handed to the parsers of the `cryptography` package: whatever these say of them, it is one error.

They raise more than they document: `x509.InvalidVersion` and `InternalError` are no ValueError. And they warn of
certificates that are odd but whole, which under `-W error` is one more thing that they raise.
"""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from admit.errors import InvalidKeyError

T = TypeVar("T")
_SILENT = (
    "ignore",
    None,
    UserWarning,
    None,
    0,
)  # the form of `warnings.simplefilter`; theirs are UserWarnings


PEM_BEGIN = b"-----BEGIN "
_JSON = b"{"


def octets(given: object) -> bytes | None:
    """What a program hands over to be read, as octets; None where it has none.

    For the caller to refuse: the error of a text that UTF-8 cannot say holds the whole text, which may be a secret, and
    whatever is raised while it is handled keeps it as its context.
    """
    try:
        return given.encode() if isinstance(given, str) else bytes(memoryview(given))  # type: ignore[arg-type]  # asked
    except (UnicodeEncodeError, TypeError):
        return None


def parse(parser: Callable[[bytes], T], raw: bytes, refusal: str) -> T:
    """What a parser makes of the octets, without its warnings.

    Raises:
        InvalidKeyError: whatever it raised; with `refusal`, and nothing of what the parser said.
    """
    # Not `catch_warnings`: it puts back what the whole process had, and two threads that cross would leave the
    # program's own warnings off for good. One filter goes in and the like of it comes out, of the same list.
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _SILENT)
    try:
        return parser(raw)
    except Exception:  # noqa: S110 - refused below, without what the parser said as context
        pass
    finally:
        filters.remove(_SILENT)
    raise InvalidKeyError(refusal)


def holds_pem(text: bytes) -> bool:
    """Whether it is a PEM text; what stands before the block explains it, RFC 7468 §2. In JSON it is a string."""
    return PEM_BEGIN in text and not text.lstrip().startswith(_JSON)
