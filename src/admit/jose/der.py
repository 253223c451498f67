"""A private key in DER, looked at before a parser proves that it is one: RFC 5958 §2, RFC 8017 A.1.2, RFC 5915 §3.

To prove that the numbers of an RSA key are primes takes the time of their size cubed, hours for the 64 KiB that a key
may have; and who may hand over a public key can hand over a private one instead. So their size is held first.
"""

from admit.errors import InvalidKeyError
from admit.jose.material import rsa

_INTEGER, _OCTETS, _NAME, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_RSA = frozenset(map(bytes.fromhex, ("2a864886f70d010101", "2a864886f70d01010a")))
"""rsaEncryption, id-RSASSA-PSS: RFC 8017 A.1, A.2.3."""
_OTHERS = frozenset(
    map(
        bytes.fromhex,
        (
            "2a8648ce3d0201",  # id-ecPublicKey, RFC 5480 §2.1.1
            "2b656e", "2b656f", "2b6570", "2b6571",  # X25519, X448, Ed25519, Ed448, RFC 8410 §3
            "608648016503040311", "608648016503040312", "608648016503040313",  # ML-DSA-44, -65, -87, RFC 9881 §3
        ),
    )
)  # fmt: skip


def is_private(der: bytes) -> bool:
    """Whether it has the form of a private key: a version comes first. That of a public one has none."""
    try:
        tags = [tag for tag, _ in _members(der)]
    except (IndexError, ValueError):
        return False
    return tags[:2] in ([_INTEGER, _SEQUENCE], [_INTEGER, _OCTETS]) or (
        tags[:1] == [_INTEGER] and len(tags) > 2
    )


def check_private(der: bytes, refusal: str) -> None:
    """Refuse a private key of a type that is not supported, and an RSA key whose primes would take long to prove.

    Raises:
        InvalidKeyError: it is one of these; or, with `refusal`, it is encrypted or has no such form at all.
    """
    try:
        numbers = _numbers(der)
    except (IndexError, ValueError):
        raise InvalidKeyError(refusal) from None
    if numbers is None:
        return
    if len(numbers) != 9:
        raise InvalidKeyError(refusal)
    _, n, e, _, p, q, *_ = numbers
    rsa.check_rsa_size(n, e)
    rsa.check_primes(n, p, q)
    if max(numbers) > n:
        raise InvalidKeyError("a number of the RSA key is larger than its modulus")


def _numbers(der: bytes) -> list[int] | None:
    """The numbers of an RSA key, RFC 8017 A.1.2; None of a key of another type. Raises IndexError or ValueError."""
    members = _members(der)
    tags = [tag for tag, _ in members]
    if tags[:2] == [_INTEGER, _OCTETS]:  # an EC key in a form of its own
        return None
    if tags[:3] == [_INTEGER, _SEQUENCE, _OCTETS]:  # PKCS #8, which names the type
        (tag, name), *_ = _elements(members[1][1])
        if tag != _NAME or name not in _RSA | _OTHERS:
            raise InvalidKeyError("the key is of a type not supported")
        if name in _OTHERS:
            return None
        members = _members(members[2][1])
    if any(tag != _INTEGER for tag, _ in members):
        raise ValueError
    return [int.from_bytes(octets, "big") for _, octets in members]


def _members(der: bytes) -> list[tuple[int, bytes]]:
    """What is in the one SEQUENCE that fills the octets. Raises IndexError or ValueError where there is none."""
    (tag, content), *more = _elements(der)
    if tag != _SEQUENCE or more:
        raise ValueError
    return _elements(content)


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents, one after the other. Raises IndexError or ValueError where they do not fill the octets."""
    found = []
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4:
                raise ValueError
            size, at = int.from_bytes(der[at : at + octets], "big"), at + octets
        if at + size > len(der):
            raise ValueError
        found.append((tag, der[at : at + size]))
        at += size
    return found
