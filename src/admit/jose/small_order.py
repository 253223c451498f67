"""Ed25519 and Ed448 public keys that must not be used: off the curve, spelled twice, of small order, RFC 8032 §5.

With a point of small order as the public key one signature is good for very many messages, and the primitive
does not refuse it.
"""

from admit.errors import InvalidKeyError

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_P448 = 2**448 - 2**224 - 1
_D448 = -39081 % _P448


def check_ed25519_point(encoded: bytes) -> None:
    """Refuse what is no point, no canonical encoding, or a point of order 1, 2, 4 or 8.

    Raises:
        InvalidKeyError: the point cannot be a public key.
    """
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if len(encoded) != 32 or y >= _P:
        raise InvalidKeyError("not a canonical Ed25519 point")
    # x² = (y² - 1) / (d y² + 1); the denominator is never 0 because -1/d is no square.
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if x_squared and pow(x_squared, (_P - 1) // 2, _P) != 1:
        raise InvalidKeyError("not a point of Ed25519")
    # Order 1 or 2: x = 0. Order 4: y = 0. Order 8: doubling gives y = 0, that is x² + y² = 0.
    if x_squared == 0 or y == 0 or (x_squared + y * y) % _P == 0:
        raise InvalidKeyError("an Ed25519 point of small order")


def check_ed448_point(encoded: bytes) -> None:
    """Refuse what is no point of Ed448, no canonical encoding, or a point of order 1, 2 or 4, RFC 8032 §5.2.3.

    Raises:
        InvalidKeyError: the point cannot be a public key.
    """
    y = int.from_bytes(encoded[:-1], "little")
    if len(encoded) != 57 or encoded[-1] & 0x7F or y >= _P448:
        raise InvalidKeyError("not a canonical Ed448 point")
    # x² = (y² - 1) / (d y² - 1); the denominator is never 0 because d is no square.
    x_squared = (y * y - 1) * pow(_D448 * y * y - 1, -1, _P448) % _P448
    if x_squared and pow(x_squared, (_P448 - 1) // 2, _P448) != 1:
        raise InvalidKeyError("not a point of Ed448")
    # Order 1 or 2: x = 0. Order 4: y = 0. The cofactor is 4, so there are no others.
    if x_squared == 0 or y == 0:
        raise InvalidKeyError("an Ed448 point of small order")
