"""What is stored of a device, and whether it is known. Pure."""

import hashlib

RAW_BYTES = 32


def hash_token(raw: bytes) -> bytes:
    """What is stored of a device's 32 random octets."""
    return hashlib.sha256(raw).digest()


def is_known(found: bytes | None) -> bool:
    """Whether a row was found: of this browser, this user, and the password that the user has now."""
    return found is not None
