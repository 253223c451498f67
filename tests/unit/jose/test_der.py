"""A private key in DER or PEM is looked at before it is proved: no number in it buys a minute of work."""

import base64
import time
from functools import cache

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import rsa

from admit import JWK, InvalidKeyError
from tests.unit.jose.keys import KEYS

OWN = KEYS["RS256"]._material.private.private_numbers()
RSA_NAME = bytes.fromhex("300d06092a864886f70d0101010500")


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def numbers(*values: int) -> bytes:
    """A SEQUENCE of INTEGERs, RFC 8017 A.1.2."""
    return element(
        0x30, b"".join(element(0x02, one.to_bytes(one.bit_length() // 8 + 1, "big")) for one in values)
    )


def wrapped(key: bytes, name: bytes = RSA_NAME) -> bytes:
    """PKCS #8, RFC 5958 §2."""
    return element(0x30, element(0x02, b"\0") + name + element(0x04, key))


def pem(kind: str, der: bytes) -> bytes:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n".encode()


def rsa_key(n: int, e: int, d: int, p: int, q: int) -> bytes:
    return numbers(0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


def forms(key: bytes) -> tuple[bytes, ...]:
    """The four ways in which such a key is handed over."""
    return key, wrapped(key), pem("RSA PRIVATE KEY", key), pem("PRIVATE KEY", wrapped(key))


@pytest.mark.rfc("8017", "A.1.2")
def test_an_rsa_key_is_read_in_each_of_its_forms() -> None:
    key = rsa_key(OWN.public_numbers.n, 65537, OWN.d, OWN.p, OWN.q)
    for form in forms(key):
        assert JWK.load(form, alg="RS256", kid=KEYS["RS256"].kid) == KEYS["RS256"]
    public = numbers(OWN.public_numbers.n, 65537)
    assert JWK.load(public, alg="RS256", kid=KEYS["RS256"].kid) == KEYS["RS256"].public()
    for form in forms(key[:-1]) + forms(key + b"\0") + forms(numbers(0, OWN.public_numbers.n, 65537)):
        with pytest.raises(InvalidKeyError):
            JWK.load(form, alg="RS256")


@pytest.mark.threat("INF-size")
def test_no_number_in_a_private_key_costs_more_than_a_look() -> None:
    n, p, q, d = OWN.public_numbers.n, OWN.p, OWN.q, OWN.d
    huge = (1 << 180_000) | (1 << 999) | 1
    began = time.process_time()
    for key in (
        numbers(0, huge * 3, 65537, d, huge, 3, 1, 1, 1),
        numbers(0, n, 65537, d, huge, q, 1, 1, 1),
        numbers(0, n, 65537, d, p, huge, 1, 1, 1),
        numbers(0, n, 65537, huge, p, q, 1, 1, 1),
        numbers(0, n, 65537, d, p, q, huge, 1, 1),
        numbers(0, n, huge, d, p, q, 1, 1, 1),
        numbers(0, n, 65537, d, 1, n, 1, 1, 1),
        numbers(0, (1 << 16_000) | 1, 65537, d, 1, (1 << 16_000) | 1, 1, 1, 1),
    ):
        for form in forms(key):
            with pytest.raises(InvalidKeyError):
                JWK.load(form, alg="RS256")
    assert time.process_time() - began < 2


@cache
def unequal() -> tuple[int, int, int, int]:
    """A whole RSA key all the same, but of one prime of 1024 bits and one of 1536."""
    p, q = rsa.generate_private_key(65537, 3072).private_numbers().p, OWN.q
    return p * q, pow(65537, -1, (p - 1) * (q - 1)), p, q


@pytest.mark.threat("INF-size", off="admit.jose.material.rsa:check_primes")
def test_primes_of_two_sizes_are_refused() -> None:
    n, d, p, q = unequal()
    for form in forms(rsa_key(n, 65537, d, p, q)):
        with pytest.raises(InvalidKeyError):
            JWK.load(form, alg="RS256")


@pytest.mark.rfc("7518", "6.3.2")
def test_primes_of_two_sizes_are_refused_in_a_jwk_too() -> None:
    n, d, p, q = unequal()
    values = {
        "n": n,
        "e": 65537,
        "d": d,
        "p": p,
        "q": q,
        "dp": d % (p - 1),
        "dq": d % (q - 1),
        "qi": pow(q, -1, p),
    }
    members = {
        name: base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        .decode()
        .rstrip("=")
        for name, value in values.items()
    }
    with pytest.raises(InvalidKeyError, match="one size"):
        JWK.load({"kty": "RSA", "alg": "RS256", **members})


@pytest.mark.rfc("8410", "3")
@pytest.mark.rfc("5915", "3")
@pytest.mark.parametrize(
    "alg", ["ES256", "ES512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
)
def test_a_key_of_another_supported_type_is_read(alg: str) -> None:
    key = KEYS[alg]
    assert JWK.load(key.to_der(private=True), alg=alg, kid=key.kid) == key
    assert JWK.load(key.to_pem(private=True), alg=alg, kid=key.kid) == key
    if key.kty == "EC":
        own = key._material.private.private_bytes(
            ser.Encoding.DER, ser.PrivateFormat.TraditionalOpenSSL, ser.NoEncryption()
        )
        assert JWK.load(own, alg=alg, kid=key.kid) == key
        assert JWK.load(pem("EC PRIVATE KEY", own), alg=alg, kid=key.kid) == key


@pytest.mark.parametrize("crv", ["X25519", "X448"])
def test_a_key_for_agreements_is_read(crv: str) -> None:
    key = JWK.generate("ECDH-ES", crv=crv)
    assert JWK.load(key.to_der(private=True), kid=key.kid) == key


def test_a_private_key_of_a_type_without_use_here_is_refused_before_it_is_read() -> None:
    for name in ("2a864886f70d010301", "2a864886f70d010701", "2a8648ce380401"):  # DH, RSAES-OAEP, DSA
        told = element(0x30, element(0x06, bytes.fromhex(name)) + numbers(7, 2))
        key = wrapped(element(0x02, b"\1"), told)
        for text in (key, pem("PRIVATE KEY", key)):
            with pytest.raises(InvalidKeyError, match="not supported"):
                JWK.load(text, alg="RS256")


@pytest.mark.parametrize(
    "octets",
    [
        b"0", b"0\x80\0\0", b"0\x84", b"0\x84\xff\xff\xff\xff", b"0\x85\0\0\0\0\1\0", b"0\0", b"0\2\2\1", b"0\3\2\1\0",
        b"0\6\2\1\0\4\1\0", b"0\5\2\1\0\x30\0", b"0\7\2\1\0\x30\0\4\0", wrapped(b""), wrapped(b"0\0"),
        wrapped(b"0\0", b"0\0"), wrapped(numbers(1, 2, 3)), wrapped(numbers(0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_only_begins_like_a_key_is_refused(octets: bytes) -> None:
    for text in (octets, pem("PRIVATE KEY", octets), pem("RSA PRIVATE KEY", octets)):
        with pytest.raises(InvalidKeyError):
            JWK.load(text, alg="RS256")


def test_an_encrypted_key_is_told_from_a_broken_one() -> None:
    private, lock = KEYS["RS256"]._material.private, ser.BestAvailableEncryption(b"x")
    for kind in (ser.PrivateFormat.PKCS8, ser.PrivateFormat.TraditionalOpenSSL):
        with pytest.raises(InvalidKeyError, match="encrypted"):
            JWK.load(private.private_bytes(ser.Encoding.PEM, kind, lock), alg="RS256")
    with pytest.raises(InvalidKeyError, match="encrypted"):
        JWK.load(private.private_bytes(ser.Encoding.DER, ser.PrivateFormat.PKCS8, lock), alg="RS256")
