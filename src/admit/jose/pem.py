"""PEM and DER to key material and back, RFC 7468: one unencrypted block, a key or the certificate of one."""

import re
from binascii import a2b_base64
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from admit.errors import InvalidKeyError
from admit.jose import der
from admit.jose.material import KeyMaterial, akp, okp
from admit.jose.material import ec as ec_keys
from admit.jose.material import rsa as rsa_keys
from admit.jose.parsing import PEM_BEGIN, parse

_NO_DER = "the DER octets hold no usable key; encrypted ones are not read"
_NO_PEM = "the PEM text holds no usable key; encrypted ones are not read"
# What `openssl ecparam -genkey` writes before the key: the curve, which the key names once more.
_EC_PARAMETERS = re.compile(
    rb"-----BEGIN EC PARAMETERS-----[A-Za-z0-9+/=\s]{1,1024}-----END EC PARAMETERS-----\s*"
)

_BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]*-----([A-Za-z0-9+/=\s]*)-----END ")
_READERS: tuple[tuple[tuple[type, ...], Callable[[Any], KeyMaterial]], ...] = (
    ((rsa.RSAPublicKey, rsa.RSAPrivateKey), rsa_keys.of_key),
    ((ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey), ec_keys.of_key),
    (
        (
            ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey,
            ed448.Ed448PublicKey, ed448.Ed448PrivateKey,
            x25519.X25519PublicKey, x25519.X25519PrivateKey,
            x448.X448PublicKey, x448.X448PrivateKey,
        ),
        okp.of_key,
    ),
    (
        tuple(kind for one in akp.SETS.values() for kind in (one.public, one.private)),
        akp.of_key,
    ),
)  # fmt: skip


def read_der(raw: bytes) -> KeyMaterial:
    """The key in DER: SubjectPublicKeyInfo, PKCS #8, or the older forms that OpenSSL reads.

    Raises:
        InvalidKeyError: none of these, encrypted, or a key of a type not supported.
    """
    if not der.is_private(raw):
        return _material(parse(load_der_public_key, raw, _NO_DER))
    der.check_private(raw, _NO_DER)
    return _material(parse(_private_der, raw, _NO_DER))


def _private_der(raw: bytes) -> object:
    return load_der_private_key(raw, password=None)


def _private_pem(raw: bytes) -> object:
    return load_pem_private_key(raw, password=None)


def _certified_pem(raw: bytes) -> object:
    # Certificates are rare, so their parser is not loaded with the library.
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(raw).public_key()


def write(found: KeyMaterial, *, private: bool, encoding: Encoding) -> bytes:
    """A key as PKCS #8, unencrypted, or its public half as SubjectPublicKeyInfo, RFC 5958 §2, RFC 5280 §4.1.

    Raises:
        InvalidKeyError: a symmetric key, which has no such form, or the private form of a public key.
    """
    if found.kty == "oct" or (private and found.private is None):
        raise InvalidKeyError("the key has no such form")
    written: bytes
    if private:
        written = found.private.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    else:
        written = found.public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    return written


def read_pem(text: bytes) -> KeyMaterial:
    """The key in a PEM text, RFC 7468 §10, §13, or the one that a certificate is for (§5). No chain is followed.

    An `EC PARAMETERS` block, which OpenSSL writes before a key of its older form (RFC 5915 §4), is passed over.

    Raises:
        InvalidKeyError: several blocks, an encrypted key, or a key of a type not supported.
    """
    text = _EC_PARAMETERS.sub(b"", text, count=1)
    if text.count(PEM_BEGIN) != 1:
        raise InvalidKeyError("a PEM text holds exactly one key")
    reader: Callable[[bytes], object] = load_pem_public_key
    if b"-----BEGIN CERTIFICATE-----" in text:
        reader = _certified_pem
    elif b"PRIVATE KEY-----" in text:
        der.check_private(_unarmoured(text), _NO_PEM)
        reader = _private_pem
    return _material(parse(reader, text, _NO_PEM))


def _unarmoured(text: bytes) -> bytes:
    """The octets of the one block in a PEM text."""
    found = _BLOCK.search(text)
    try:
        return a2b_base64(found[1]) if found else b""
    except ValueError:
        return b""


def _material(key: object) -> KeyMaterial:
    for types, read in _READERS:
        if isinstance(key, types):
            return read(key)
    raise InvalidKeyError("the key is of a type not supported")
