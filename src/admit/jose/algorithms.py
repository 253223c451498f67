"""The signature algorithms as rows of a table, RFC 7518 §3, RFC 8037 §3.1, RFC 8812 §3.2, RFC 9864 §2.2,
RFC 9964 §4.

A row says which keys it takes and prepares, once for each key, the two functions that do the work. Code
elsewhere knows no algorithm by name; to offer one more is to add a row. `none` has no row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

from admit.jose.material.ec import CURVES

_SHORT = 48
"""Octets of the longest order whose signatures have all their DER lengths in one octet."""
Sign: TypeAlias = Callable[[bytes], bytes]
Verify: TypeAlias = Callable[[bytes, bytes], None]
"""Takes signature and data; raises InvalidSignature or ValueError."""


@dataclass(frozen=True, slots=True)
class JwsAlg:
    """One value of `alg`, RFC 7518 §3.1.

    `curves` (for AKP the parameter set) is empty where the key type has none; `min_bits` is the smallest key
    taken. `signature_size` is in octets, 0 where the key's size decides. `signer` and `verifier` take the key
    material of the `cryptography` package (octets for `oct`) and prepare everything that does not depend on
    the message.
    """

    name: str
    kty: str
    curves: frozenset[str]
    min_bits: int
    signature_size: int
    signer: Callable[[Any], Sign]
    verifier: Callable[[Any], Verify]


def _hmac(name: str, algorithm: hashes.HashAlgorithm) -> JwsAlg:
    """RFC 7518 §3.2. Copying a prepared context costs half of starting from the key."""

    def signer(secret: bytes) -> Sign:
        context = HMAC(secret, algorithm)

        def sign(data: bytes) -> bytes:
            mac = context.copy()
            mac.update(data)
            return mac.finalize()

        return sign

    def verifier(secret: bytes) -> Verify:
        context = HMAC(secret, algorithm)

        def verify(signature: bytes, data: bytes) -> None:
            mac = context.copy()
            mac.update(data)
            mac.verify(signature)

        return verify

    size = algorithm.digest_size
    return JwsAlg(name, "oct", frozenset(), size * 8, size, signer, verifier)


def _rsa(name: str, algorithm: hashes.HashAlgorithm, scheme: padding.AsymmetricPadding) -> JwsAlg:
    """RFC 7518 §3.3, §3.5."""

    def signer(private: Any) -> Sign:
        def sign(data: bytes) -> bytes:
            signature: bytes = private.sign(data, scheme, algorithm)
            return signature

        return sign

    def verifier(public: Any) -> Verify:
        def verify(signature: bytes, data: bytes) -> None:
            public.verify(signature, data, scheme, algorithm)

        return verify

    return JwsAlg(name, "RSA", frozenset(), 2048, 0, signer, verifier)


def _rsa_pss(name: str, algorithm: hashes.HashAlgorithm) -> JwsAlg:
    """RFC 7518 §3.5: MGF1 with the same hash, and a salt of exactly the hash's length."""
    return _rsa(name, algorithm, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size))


def _ecdsa(name: str, curve: str, algorithm: hashes.HashAlgorithm) -> JwsAlg:
    """RFC 7518 §3.4: r and s side by side, each as long as the order; never the DER form."""
    number = CURVES[curve].group_order
    size = (number.bit_length() + 7) // 8
    order = number.to_bytes(size, "big")

    def signer(private: Any) -> Sign:
        scheme = ec.ECDSA(algorithm)  # here and not above: the first one loads a good part of the package

        def sign(data: bytes) -> bytes:
            return write_ecdsa(private.sign(data, scheme), size)

        return sign

    def verifier(public: Any) -> Verify:
        scheme = ec.ECDSA(algorithm)

        def verify(signature: bytes, data: bytes) -> None:
            public.verify(read_ecdsa(signature, size, order), data, scheme)

        return verify

    return JwsAlg(name, "EC", frozenset({curve}), 0, 2 * size, signer, verifier)


def read_ecdsa(signature: bytes, size: int, order: bytes) -> bytes:
    """The DER form of a raw signature, r and s both in [1, order - 1] and as long as the order, RFC 7518 §3.4.

    Raises:
        InvalidSignature: another length, or a number out of range.
    """
    r, s = signature[:size], signature[size:]
    zero = bytes(size)
    # Octets of one length are in the order of the numbers that they spell.
    if len(signature) != 2 * size or not (zero < r < order and zero < s < order):
        raise InvalidSignature
    if size > _SHORT or not (r[0] and s[0]):
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    # By hand it takes half of the time. An INTEGER has a sign: where the top bit is set, an octet of 0 goes before it.
    first = (b"\x02%c\0%b" if r[0] & 0x80 else b"\x02%c%b") % (size + (r[0] >> 7), r)
    second = (b"\x02%c\0%b" if s[0] & 0x80 else b"\x02%c%b") % (size + (s[0] >> 7), s)
    return b"\x30%c%b%b" % (len(first) + len(second), first, second)


def write_ecdsa(der: bytes, size: int) -> bytes:
    """The raw form of a signature that the primitive made, RFC 7518 §3.4."""
    if size > _SHORT:
        r, s = decode_dss_signature(der)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    # By hand, as above: SEQUENCE and its length, then twice INTEGER, its length, its octets in the fewest there can be.
    middle = 4 + der[3]
    return der[4:middle][-size:].rjust(size, b"\0") + der[middle + 2 :][-size:].rjust(size, b"\0")


def _raw(name: str, kty: str, curves: frozenset[str], signature_size: int) -> JwsAlg:
    """Keys that hash by themselves, RFC 8037 §3.1, RFC 9964 §4."""

    def signer(private: Any) -> Sign:
        sign: Sign = private.sign
        return sign

    def verifier(public: Any) -> Verify:
        verify: Verify = public.verify
        return verify

    return JwsAlg(name, kty, curves, 0, signature_size, signer, verifier)


JWS_ALGS: Mapping[str, JwsAlg] = MappingProxyType(
    {
        row.name: row
        for row in (
            _hmac("HS256", hashes.SHA256()),
            _hmac("HS384", hashes.SHA384()),
            _hmac("HS512", hashes.SHA512()),
            _rsa("RS256", hashes.SHA256(), padding.PKCS1v15()),
            _rsa("RS384", hashes.SHA384(), padding.PKCS1v15()),
            _rsa("RS512", hashes.SHA512(), padding.PKCS1v15()),
            _rsa_pss("PS256", hashes.SHA256()),
            _rsa_pss("PS384", hashes.SHA384()),
            _rsa_pss("PS512", hashes.SHA512()),
            _ecdsa("ES256", "P-256", hashes.SHA256()),
            _ecdsa("ES384", "P-384", hashes.SHA384()),
            _ecdsa("ES512", "P-521", hashes.SHA512()),
            _ecdsa("ES256K", "secp256k1", hashes.SHA256()),
            # A key that names a curve and no algorithm gets the first row of its curve: what
            # most issuers write today.
            _raw("EdDSA", "OKP", frozenset({"Ed25519", "Ed448"}), 0),
            _raw("Ed25519", "OKP", frozenset({"Ed25519"}), 64),
            _raw("Ed448", "OKP", frozenset({"Ed448"}), 114),
            _raw("ML-DSA-44", "AKP", frozenset({"ML-DSA-44"}), 2420),
            _raw("ML-DSA-65", "AKP", frozenset({"ML-DSA-65"}), 3309),
            _raw("ML-DSA-87", "AKP", frozenset({"ML-DSA-87"}), 4627),
        )
    }
)
"""Every `alg` that can be signed or verified. Read-only."""
