"""A text as a QR code (ISO/IEC 18004), drawn as one SVG path.

The page draws it itself: no address of ours gives a secret away as a picture, and the policy of the page needs no
exception. Dark modules that lie side by side are one stroke.
"""

from itertools import groupby
from typing import Final

import segno

from admit.issuer.app.pages.views_second_factor import QrCode

QUIET: Final = 4  # modules of margin, ISO/IEC 18004 §5.3.8


def qr_code(text: str) -> QrCode:
    """The QR code of a text, with 15 % error correction."""
    matrix = segno.make_qr(text, error="m").matrix
    strokes: list[str] = []
    for y, row in enumerate(matrix, QUIET):
        x = QUIET
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                strokes.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return QrCode(size=len(matrix) + 2 * QUIET, path="".join(strokes))
