"""A file as lines of text, none of them longer than is good for it."""

from collections.abc import Iterator
from typing import BinaryIO, Final

MAX_LINE: Final = 65_536  # octets
TOO_LONG: Final = "the line is longer than 65,536 bytes"
NOT_TEXT: Final = "the line is not UTF-8 text"


class Lines:
    """Iterates over the lines. One that cannot be read comes as "", and `trouble` has its number and why.

    Bounded: of a line that is too long the rest is passed over piece by piece.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.number = 0
        self.trouble: dict[int, str] = {}

    def __iter__(self) -> Iterator[str]:
        while octets := self._stream.readline(MAX_LINE + 1):
            self.number += 1
            if len(octets) > MAX_LINE:
                while octets and not octets.endswith(b"\n"):
                    octets = self._stream.readline(MAX_LINE + 1)
                yield self._unread(TOO_LONG)
                continue
            if self.number == 1:
                octets = octets.removeprefix(b"\xef\xbb\xbf")  # spreadsheets write a byte order mark
            try:
                yield octets.decode("utf-8")
            except UnicodeDecodeError:
                yield self._unread(NOT_TEXT)

    def _unread(self, why: str) -> str:
        self.trouble[self.number] = why
        return ""

    def take_trouble(self) -> list[tuple[int, str]]:
        """What could not be read since this was last asked."""
        found = sorted(self.trouble.items())
        self.trouble.clear()
        return found
