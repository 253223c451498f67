"""base64url without padding, RFC 7515 §2: one spelling for each string of octets, every other is refused."""

import binascii

from admit.errors import MalformedTokenError

TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = {0: b"", 2: b"==", 3: b"="}
# The last character may not carry bits beyond the last octet: four are spare with one octet left, two with two.
# By the length's rest: no text has one character alone.
LAST = (frozenset(range(256)), frozenset[int](), frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))


def encode(data: bytes) -> bytes:
    """Octets to base64url without padding, RFC 7515 §2."""
    return binascii.b2a_base64(data).rstrip(b"=\n").translate(TO_URL)


def encoded_length(octets: int) -> int:
    """How many characters `encode` makes of so many octets."""
    return (octets * 4 + 2) // 3


def decode(data: bytes) -> bytes:
    """The octets that `data` is the one canonical base64url spelling of, RFC 7515 §2.

    Raises:
        MalformedTokenError: padding, white space, another alphabet, or bits beyond the last octet.
    """
    if not isinstance(data, bytes):
        raise MalformedTokenError("base64url is read from octets")
    return decode_translated(data.translate(TO_STANDARD))


def decode_translated(data: bytes) -> bytes:
    """As `decode`, of text that went through `TO_STANDARD` already: a token is translated once, as a whole.

    The translation turns every character outside the alphabet that plain base64 would take into one it does not.

    Raises:
        MalformedTokenError: as `decode`.
    """
    rest = len(data) & 3
    try:
        octets = binascii.a2b_base64(data + _PADDING[rest])
    except (binascii.Error, KeyError):
        raise MalformedTokenError("not base64url") from None
    # The decoder steps over foreign characters; each one makes the result shorter. (Its strict mode costs twice.)
    if len(octets) != len(data) * 3 >> 2:
        raise MalformedTokenError("not base64url")
    if rest and data[-1] not in LAST[rest]:
        raise MalformedTokenError("not canonical base64url")
    return octets
