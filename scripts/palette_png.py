"""A PNG of text made small: few colours, one octet a pixel. The pictures of terminals shrink to a third."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smaller(png: bytes) -> bytes:
    """The same picture with at most 256 colours. Takes 8-bit RGB and RGBA without interlace, as browsers write."""
    chunks = list(_chunks(png))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or kind not in (2, 6) or interlaced:
        raise ValueError("not a picture as browsers write them")
    step = 3 if kind == 2 else 4
    raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    starts = range(0, width * step, step)
    rows = _rows(raw, width * step, step, height)
    pixels = [row[at : at + step] for row in rows for at in starts]
    kept = [colour for colour, _ in Counter(pixels).most_common(256)]
    index = {colour: number for number, colour in enumerate(kept)}
    for colour in set(pixels) - index.keys():
        index[colour] = min(range(len(kept)), key=lambda number: _distance(kept[number], colour))
    lines = (pixels[start : start + width] for start in range(0, len(pixels), width))
    written = b"".join(b"\0" + bytes(index[colour] for colour in line) for line in lines)
    palette = b"".join(colour[:3] for colour in kept)
    alpha = b"" if step == 3 else bytes(colour[3] for colour in kept)
    return _SIGNATURE + b"".join(
        _chunk(name, body)
        for name, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", palette),
            (b"tRNS", alpha),
            (b"IDAT", zlib.compress(written, 9)),
            (b"IEND", b""),
        )
        if body or name == b"IEND"
    )


def _distance(one: bytes, other: bytes) -> int:
    return sum((left - right) ** 2 for left, right in zip(one, other, strict=True))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _rows(raw: bytes, length: int, step: int, height: int) -> Iterator[bytes]:
    """The rows without their filters (PNG, third edition, §9)."""
    before = bytearray(length)
    for number in range(height):
        start = number * (length + 1)
        how, row = raw[start], bytearray(raw[start + 1 : start + 1 + length])
        for at in range(length):
            left = row[at - step] if at >= step else 0
            up, corner = before[at], before[at - step] if at >= step else 0
            if how == 1:
                row[at] = row[at] + left & 255
            elif how == 2:
                row[at] = row[at] + up & 255
            elif how == 3:
                row[at] = row[at] + (left + up >> 1) & 255
            elif how == 4:
                row[at] = row[at] + _paeth(left, up, corner) & 255
        yield bytes(row)
        before = row


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    far_left, far_up, far_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    if far_left <= far_up and far_left <= far_corner:
        return left
    return up if far_up <= far_corner else corner
