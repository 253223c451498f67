"""The file of a `FileEndStore`: a header with a name drawn for this file, then a line for each end. Pure.

The name tells a file from another that came in its place: systems give numbers of files out again at once. Beside it
stands since when no end can be missing, in seconds since the epoch.
"""

from collections.abc import Iterable
from zlib import crc32

from admit.errors import EndStoreError
from admit.verifier.ends import end as codec
from admit.verifier.ends.end import End

HEADER = b"admit-ends 2 "
NAME_SIZE = 16
_SINCE_SIZE = 12
HEADER_SIZE = len(HEADER) + NAME_SIZE + 1 + _SINCE_SIZE + 1
MAX_FILE = 256 * 1024 * 1024
"""Octets; far beyond what the default limit needs."""


def header(name: str, since: int) -> bytes:
    """What a file begins with; `name` is 16 hexadecimal digits."""
    return HEADER + b"%s %012d\n" % (name.encode("ascii"), since)


def opening(data: bytes) -> tuple[str, int]:
    """The name in a file's first octets, and since when no end can be missing in it.

    Raises:
        EndStoreError: it is no store of ends.
    """
    whole = (
        len(data) >= HEADER_SIZE and data.startswith(HEADER) and data[HEADER_SIZE - 1 : HEADER_SIZE] == b"\n"
    )
    name, _, since = data[len(HEADER) : HEADER_SIZE - 1].partition(b" ")
    if not whole or len(name) != NAME_SIZE or not since.isdigit():
        raise EndStoreError("the file is no store of ends")
    return name.decode("latin-1"), int(since)


def write(ends: Iterable[End]) -> bytes:
    """Ends as lines."""
    return b"".join(_line(codec.encode(end)) for end in ends)


def _line(text: bytes) -> bytes:
    return b"%08x %s\n" % (crc32(text), text)


def read(data: bytes) -> tuple[list[End], int]:
    """The ends in lines, and how many octets of them are good.

    What is not good at the very end was being written when a process or the machine died: it was not acknowledged, and
    the next writer cuts it off. A bad line with good ones behind it is damage.

    Raises:
        EndStoreError: damage.
    """
    ends: list[End] = []
    position, good, bad = 0, 0, False
    while (stop := data.find(b"\n", position)) >= 0:
        found = _parse(data[position:stop])
        position = stop + 1
        if found is None:
            bad = True
            continue
        check_order(bad)
        ends.append(found)
        good = position
    return ends, good


def check_order(bad: bool) -> None:
    """Raise EndStoreError for a good line behind a bad one: that was no crash, and an end may be lost."""
    if bad:
        raise EndStoreError("the file of a store of ends is damaged")


def _parse(line: bytes) -> End | None:
    mark, _, text = line.partition(b" ")
    if mark != b"%08x" % crc32(text):
        return None
    return codec.decode(text)
