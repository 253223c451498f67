"""base64url without padding, RFC 7515 §2: one spelling for each string of octets, every other is refused."""

import binascii

from admit.errors import MalformedTokenError

_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = {0: b"", 2: b"==", 3: b"="}
# The last character may not carry bits beyond the last octet: four are spare with one octet left, two with two.
_LAST = {
    0: frozenset(range(256)),
    2: frozenset(b"AQgw"),
    3: frozenset(b"AEIMQUYcgkosw048"),
}


def encode(data: bytes) -> bytes:
    """Octets to base64url without padding, RFC 7515 §2."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def encoded_length(octets: int) -> int:
    """How many characters `encode` makes of so many octets."""
    return (octets * 4 + 2) // 3


def decode(data: bytes) -> bytes:
    """The octets that `data` is the one canonical base64url spelling of, RFC 7515 §2.

    Raises:
        MalformedTokenError: padding, white space, another alphabet, or bits beyond the last octet.
    """
    rest = len(data) & 3
    try:
        octets = binascii.a2b_base64(data.translate(_TO_STANDARD) + _PADDING[rest], strict_mode=True)
    except (binascii.Error, KeyError):
        raise MalformedTokenError("not base64url") from None
    if rest and data[-1] not in _LAST[rest]:
        raise MalformedTokenError("not canonical base64url")
    return octets
