"""Tokens that were verified a moment ago. Only what cannot change is remembered; the rest is checked at each hit."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from admit.errors import MalformedTokenError
from admit.jose import JWK, JWKSet
from admit.jose.jws import MAX_TOKEN
from admit.principal import Principal
from admit.verifier.hit import NO_LIST, Known, new_hash


@dataclass(slots=True)
class Remembered:
    """A verified token. Times are seconds since the epoch, leeway included; `status` is (list, position).

    `list`, `octet` and `mask` say the same for the hot path (`mask` is 0 without a status). Only two change: `cleared`
    and `ends_cleared` are the stamps of the last state of keys and revocations, and of the last view of ends, that this
    token was found good in.
    """

    principal: Principal
    known: Known
    keys: JWK | JWKSet
    kid: str | None
    not_before: float
    expires: float
    iat: float | None
    status: tuple[int, int] | None
    cleared: object = field(default=None, repr=False)
    ends_cleared: object = field(default=None, repr=False)
    list: int = field(init=False, repr=False)
    octet: int = field(init=False, repr=False)
    mask: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.list, position = self.status or (NO_LIST, 0)
        self.octet = position >> 3
        self.mask = 0 if self.status is None else 1 << (position & 7)


def digest(token: str) -> bytes:
    """What a token is remembered by: the token itself is not kept.

    Raises:
        MalformedTokenError: it is too large to be one, or no text.
    """
    if len(token) > MAX_TOKEN:
        raise MalformedTokenError("the token is too large")
    try:
        octets = token.encode()
    except UnicodeEncodeError:
        raise MalformedTokenError("not ASCII") from None
    hashing = new_hash()
    hashing.update(octets)
    return hashing.digest()


class RememberedTokens:
    """At most `limit` tokens; the oldest goes first. Reading takes no lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        # Not a plain dict: one whose oldest member goes for each new one steps over ever more gaps to find the next.
        self._entries: OrderedDict[bytes, Remembered] = OrderedDict()
        self.get = self._entries.get

    def put(self, key: bytes, entry: Remembered) -> None:
        """Remember; what was said of this token before is replaced."""
        if self._limit < 1:
            return
        with self._lock:
            self._entries.pop(key, None)
            while len(self._entries) >= self._limit:
                self._entries.popitem(last=False)
            self._entries[key] = entry

    def drop(self, key: bytes) -> None:
        """Forget one."""
        with self._lock:
            self._entries.pop(key, None)

    def renew_after_fork(self) -> None:
        """Begin anew in a forked child: nobody follows the issuers there until a token takes the long way.

        The lock may have been held by a thread that does not exist there.
        """
        self._lock = threading.Lock()
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


_PLAIN = frozenset({str, int, float, bool, type(None)})


def freeze(value: Any) -> Any:
    """A JSON value that nobody can change: one request must not alter what the next one sees."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    # By class first, as decoders make them: asking what else is a Mapping takes longer than all other work here.
    if kind is list or kind is tuple:
        return tuple([one if one.__class__ in _PLAIN else freeze(one) for one in value])
    if kind is dict or isinstance(value, Mapping):
        return MappingProxyType(
            {name: one if one.__class__ in _PLAIN else freeze(one) for name, one in value.items()}
        )
    if isinstance(value, list | tuple):
        return tuple(freeze(one) for one in value)
    return value
