"""Where in its list a family's bit stands: a keyed permutation of 20 bits.

Positions are public (tokens carry them, lists show which are set). Given in order of issue they would tell
when a family began and how many begin in an hour. The permutation hides that, and costs no look-up.
"""

import sys
from array import array
from collections.abc import Iterator
from hashlib import shake_256

from admit.tokens.status_list import ENTRIES, OCTETS

SEED_BYTES = 32
_HALF = 10
_MASK = (1 << _HALF) - 1
# Six rounds withstand every attack with fewer than all 2¹⁰ halves known; two more cost a quarter of a microsecond.
_ROUNDS = 8
_ALL = b"\xff" * OCTETS
# A table of `bytes.translate`: the last two bits of an octet become its first.
_LAST_2_UP = bytes((octet & 3) << 6 for octet in range(256))


class Permutation:
    """A Feistel network over two halves of 10 bits, whose round functions are tables drawn from the seed.

    `seed` is 32 random bytes, made once for a list, and kept sealed: another seed would move every bit.
    """

    __slots__ = ("_rounds",)

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a seed has 32 bytes")
        self._rounds = tuple(_table(seed, number) for number in range(_ROUNDS))

    def __repr__(self) -> str:
        return "Permutation(...)"  # the tables are the secret

    def forward(self, low: int) -> int:
        """The position of the index whose low 20 bits are `low`."""
        left, right = low >> _HALF, low & _MASK
        for table in self._rounds:
            left, right = right, left ^ table[right]
        return left << _HALF | right

    def backward(self, position: int) -> int:
        """The low 20 bits of the index that has this position."""
        left, right = position >> _HALF, position & _MASK
        for table in reversed(self._rounds):
            left, right = right ^ table[left], left
        return left << _HALF | right

    def bitmap_from(self, low: int) -> bytes:
        """A list in which every index at or above `low` is set. Up to half a second: not for the event loop."""
        if low <= 0:
            return _ALL
        if low > ENTRIES // 2:
            return _filled(bytes(OCTETS), map(self.forward, range(low, ENTRIES)))
        # Fewer stay clear than are set, so those are walked.
        clear = _filled(bytes(OCTETS), map(self.forward, range(low)))
        flipped = int.from_bytes(_ALL, "little") ^ int.from_bytes(clear, "little")
        return flipped.to_bytes(OCTETS, "little")


def _filled(bitmap: bytes, positions: Iterator[int]) -> bytes:
    bits = bytearray(bitmap)
    for position in positions:
        bits[position >> 3] |= 1 << (position & 7)
    return bytes(bits)


def _table(seed: bytes, number: int) -> "array[int]":
    """One random function of 10 bits to 10 bits: each is the 8 bits of one octet and the last 2 of the next."""
    drawn = shake_256(b"admit status list permutation" + bytes((number,)) + seed).digest(2 << _HALF)
    words = bytearray(drawn)
    words[1::2] = drawn[1::2].translate(_LAST_2_UP)
    # Each word of 16 bits has its 10 bits on top, so that one shift of all moves each down within its own word.
    shifted = int.from_bytes(words, "big") >> 16 - _HALF
    table = array("H", shifted.to_bytes(len(words), "big"))
    if sys.byteorder == "little":
        table.byteswap()
    return table
