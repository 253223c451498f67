"""Octets of strangers handed to the parsers of the `cryptography` package: whatever these say of them, it is one error.

They raise more than they document: `x509.InvalidVersion` and `InternalError` are no ValueError. And they warn of
certificates that are odd but whole, which under `-W error` is one more thing that they raise.
"""

import warnings
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from admit.errors import InvalidKeyError

T = TypeVar("T")
_filters = Lock()  # warning filters belong to the whole process: two that put them back must not cross


def parse(parser: Callable[[bytes], T], raw: bytes, refusal: str) -> T:
    """What a parser makes of the octets, without its warnings.

    Raises:
        InvalidKeyError: whatever it raised; with `refusal`, and nothing of what the parser said.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return parser(raw)
        except Exception:
            raise InvalidKeyError(refusal) from None
