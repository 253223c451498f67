"""What the store keeps is sealed with a key that only the browser's cookie gives: a copied store opens nothing."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12


def seal(octets: bytes, raw_id: bytes, purpose: bytes) -> bytes:
    """AES-256-GCM under a key derived from the cookie's 32 random octets."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_key(raw_id, purpose)).encrypt(nonce, octets, purpose)


def unseal(sealed: bytes, raw_id: bytes, purpose: bytes) -> bytes | None:
    """What `seal` was given; None where it was changed, or sealed for another cookie."""
    try:
        return AESGCM(_key(raw_id, purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose)
    except InvalidTag:
        return None


def _key(raw_id: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"admit relying party " + purpose).derive(raw_id)
