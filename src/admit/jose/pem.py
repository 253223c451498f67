"""PEM texts to key material, RFC 7468: one unencrypted block, a public key or a private key."""

from collections.abc import Callable
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from admit.errors import InvalidKeyError
from admit.jose import material

BEGIN = b"-----BEGIN "

_READERS: tuple[tuple[tuple[type, ...], Callable[[Any], material.KeyMaterial]], ...] = (
    ((rsa.RSAPublicKey, rsa.RSAPrivateKey), material.rsa.of_rsa),
    ((ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey), material.ec.of_ec),
    (
        (
            ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey,
            ed448.Ed448PublicKey, ed448.Ed448PrivateKey,
            x25519.X25519PublicKey, x25519.X25519PrivateKey,
            x448.X448PublicKey, x448.X448PrivateKey,
        ),
        material.okp.of_okp,
    ),
    (
        tuple(kind for one in material.akp.SETS.values() for kind in (one.public, one.private)),
        material.akp.of_akp,
    ),
)  # fmt: skip


def read_pem(text: bytes) -> material.KeyMaterial:
    """The key in a PEM text, RFC 7468 §10, §13.

    Raises:
        InvalidKeyError: several blocks, an encrypted key, a certificate, or a key of a type not supported.
    """
    if text.count(BEGIN) != 1:
        raise InvalidKeyError("a PEM text holds exactly one key")
    try:
        if b"PRIVATE KEY-----" in text:
            key: object = load_pem_private_key(text, password=None)
        else:
            key = load_pem_public_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKeyError("the PEM text holds no usable key; encrypted ones are not read") from None
    for types, read in _READERS:
        if isinstance(key, types):
            return read(key)
    raise InvalidKeyError("the PEM key is of a type not supported")
