"""Content encryption, RFC 7518 §5: the values of `enc`. Each both hides and authenticates."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

_TAG = 16


@dataclass(frozen=True, slots=True)
class ContentAlg:
    """One value of `enc`. Sizes are in octets.

    `encrypt(key, iv, plaintext, aad)` gives ciphertext and tag; `decrypt(key, iv, ciphertext, tag, aad)` gives the
    plaintext or raises InvalidTag or ValueError, which the caller must not tell apart.
    """

    name: str
    key_size: int
    iv_size: int
    tag_size: int
    encrypt: Callable[[bytes, bytes, bytes, bytes], tuple[bytes, bytes]]
    decrypt: Callable[[bytes, bytes, bytes, bytes, bytes], bytes]


def _gcm(name: str, key_size: int) -> ContentAlg:
    """AES in Galois/Counter Mode, RFC 7518 §5.3."""

    def encrypt(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> tuple[bytes, bytes]:
        both = AESGCM(key).encrypt(iv, plaintext, aad)
        return both[:-_TAG], both[-_TAG:]

    def decrypt(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes:
        return AESGCM(key).decrypt(iv, ciphertext + tag, aad)

    return ContentAlg(name, key_size, 12, _TAG, encrypt, decrypt)


def _cbc_hmac(name: str, half: int, digest: Callable[..., Any]) -> ContentAlg:
    """AES-CBC under HMAC, RFC 7518 §5.2: the first half of the key authenticates, the second encrypts."""

    def tag_of(key: bytes, iv: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        length = (len(aad) * 8).to_bytes(8, "big")
        return hmac.digest(key[:half], aad + iv + ciphertext + length, digest)[:half]

    def encrypt(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> tuple[bytes, bytes]:
        padder = PKCS7(128).padder()
        padded = padder.update(plaintext) + padder.finalize()
        encryptor = Cipher(algorithms.AES(key[half:]), modes.CBC(iv)).encryptor()
        ciphertext = encryptor.update(padded) + encryptor.finalize()
        return ciphertext, tag_of(key, iv, ciphertext, aad)

    def decrypt(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes:
        # The tag is held first, so that padding is only ever looked at where nobody tampered.
        if not hmac.compare_digest(tag, tag_of(key, iv, ciphertext, aad)):
            raise InvalidTag
        decryptor = Cipher(algorithms.AES(key[half:]), modes.CBC(iv)).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()

    return ContentAlg(name, 2 * half, 16, half, encrypt, decrypt)


CONTENT_ALGS: Mapping[str, ContentAlg] = MappingProxyType(
    {
        row.name: row
        for row in (
            _cbc_hmac("A128CBC-HS256", 16, sha256),
            _cbc_hmac("A192CBC-HS384", 24, sha384),
            _cbc_hmac("A256CBC-HS512", 32, sha512),
            _gcm("A128GCM", 16),
            _gcm("A192GCM", 24),
            _gcm("A256GCM", 32),
        )
    }
)
"""Every `enc` that can be written or read. Read-only."""
