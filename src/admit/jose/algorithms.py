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
    order = CURVES[curve].group_order
    size = (order.bit_length() + 7) // 8
    scheme = ec.ECDSA(algorithm)

    def signer(private: Any) -> Sign:
        def sign(data: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(data, scheme))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return sign

    def verifier(public: Any) -> Verify:
        def verify(signature: bytes, data: bytes) -> None:
            r, s = read_ecdsa(signature, size, order)
            public.verify(encode_dss_signature(r, s), data, scheme)

        return verify

    return JwsAlg(name, "EC", frozenset({curve}), 0, 2 * size, signer, verifier)


def read_ecdsa(signature: bytes, size: int, order: int) -> tuple[int, int]:
    """r and s of a raw ECDSA signature, both in [1, order - 1], RFC 7518 §3.4."""
    if len(signature) != 2 * size:
        raise InvalidSignature
    r = int.from_bytes(signature[:size], "big")
    s = int.from_bytes(signature[size:], "big")
    if not (0 < r < order and 0 < s < order):
        raise InvalidSignature
    return r, s


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
