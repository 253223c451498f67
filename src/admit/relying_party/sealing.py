"""What is kept is sealed with a key that its keeper has not: the store's by the cookie, the browser's by the store."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12
_TAG: Final = 16


def seal(octets: bytes, raw: bytes, purpose: bytes) -> bytes:
    """AES-256-GCM under a key derived from 32 random octets or more, such as a cookie's."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_key(raw, purpose)).encrypt(nonce, octets, purpose)


def unseal(sealed: bytes, raw: bytes, purpose: bytes) -> bytes | None:
    """What `seal` was given; None where it was changed, or sealed with another key."""
    if len(sealed) < _NONCE + _TAG:
        return None
    try:
        return AESGCM(_key(raw, purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose)
    except InvalidTag:
        return None


def _key(raw: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"admit relying party " + purpose).derive(raw)
