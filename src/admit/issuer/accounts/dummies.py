"""What a password for an unknown account is compared with, where accounts came from other systems.

A hash that was imported costs what it cost there, often ten times ours, until its owner signs in for the first time.
If unknown accounts always cost what ours cost, a slow answer would tell who has an account. So unknown accounts are
given a cost as the known ones have it: such a share of them is slow as of the accounts, and the same ones every time,
on all nodes.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from admit.issuer.accounts import foreign

PURPOSE: Final = "unknown accounts"  # of the key, by HKDF
STEPS: Final = 32
"""Shares are told apart by so much: samples of several nodes differ a little, and their answers must not."""
_BCRYPT_TAIL: Final = 53  # 22 characters of salt and 31 of digest, with nothing between them


def shape_of(stored: str) -> str:
    """What a stored hash costs: all of it but salt and digest."""
    head, _, tail = stored.rpartition("$")
    return head if len(tail) == _BCRYPT_TAIL and "$2b$" in stored else head.rpartition("$")[0]


class Dummies:
    """`is_ours` tells hashes of our own parameters, which need no dummy of their own."""

    def __init__(self, key: bytes, is_ours: Callable[[str], bool]) -> None:
        self._key = key
        self._is_ours = is_ours
        self._upto: list[tuple[int, str]] = []

    def learn(self, sample: Iterable[str]) -> None:
        """Take the shares of a sample of stored hashes."""
        count = 0
        shapes: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for stored in sample:
            count += 1
            if not self._is_ours(stored):
                shapes[shape_of(stored)] += 1
                examples[shape_of(stored)] = stored
        place, upto = 0, []
        for shape in sorted(shapes):
            dummy = _like(examples[shape])
            if dummy is not None:
                # Up: one account of a sort is as findable as many.
                place += -(-shapes[shape] * STEPS // count)
                upto.append((place, dummy))
        self._upto = upto

    def of(self, identifier: str) -> str | None:
        """The dummy for an account that is unknown; None for one of our own parameters."""
        if not self._upto:
            return None
        digest = hmac.digest(self._key, identifier.encode("utf-8", "surrogatepass"), hashlib.sha256)
        place = int.from_bytes(digest[:8], "big") % STEPS
        return next((dummy for upto, dummy in self._upto if place < upto), None)


def _like(stored: str) -> str | None:
    """A hash of the same cost that no password has."""
    try:
        found = foreign.decode(stored)
    except foreign.ForeignHashError:
        return None
    return found.another().encode() if found is not None else None
