"""The drawn QR code is the code, module for module, with its quiet zone."""

import re

import segno

from admit.issuer.app.pages.qr import QUIET, qr_code

URI = "otpauth://totp/Admit:ada@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Admit"


def test_every_dark_module_is_drawn_and_no_other() -> None:
    code = qr_code(URI)
    drawn = set()
    strokes = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", code.path)
    assert "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n in strokes) == code.path
    for x, y, length in strokes:
        drawn |= {(int(x) + i, int(y)) for i in range(int(length))}
    matrix = segno.make_qr(URI, error="m").matrix
    wanted = {(x + QUIET, y + QUIET) for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark}
    assert drawn == wanted
    assert code.size == len(matrix) + 2 * QUIET
    assert {x for x, _ in drawn} | {y for _, y in drawn} <= set(range(QUIET, code.size - QUIET))


def test_another_text_is_another_code() -> None:
    assert qr_code(URI).path != qr_code(URI + "x").path
