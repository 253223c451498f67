"""Random values of second factors, and the sealing of secrets."""

import hashlib
import secrets
from typing import Final

from admit.issuer.factors import rules
from admit.issuer.storage import Keyring

PURPOSE: Final = "totp"
MIN_BINDING_BYTES: Final = 16


def new_factor_id() -> str:
    """`f_` and 128 random bits."""
    return "f_" + secrets.token_urlsafe(16)


def new_secret() -> bytes:
    """160 bits from the system's generator, RFC 4226 §4 R6."""
    return secrets.token_bytes(rules.SECRET_BYTES)


def new_recovery_codes() -> tuple[str, ...]:
    """A set of them, each 120 bits from the system's generator, in their one form."""
    return tuple(rules.recovery_code(secrets.token_bytes(15)) for _ in range(rules.RECOVERY_CODES))


def new_handle() -> str:
    """What the browser holds of a sign-in that waits: 256 random bits, good for nothing without its cookie."""
    return secrets.token_urlsafe(32)


def hash_handle(handle: str) -> bytes:
    """What is stored of a handle."""
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).digest()


def hash_binding(binding: bytes) -> bytes:
    """What is stored of a browser's secret: not what is stored of it elsewhere.

    Raises:
        ValueError: fewer than 16 bytes.
    """
    if len(binding) < MIN_BINDING_BYTES:
        raise ValueError("a binding secret has at least 16 bytes")
    return hashlib.sha256(b"admit-pending-sign-in\0" + binding).digest()


def seal(keyring: Keyring, secret: bytes, *, user_id: str, factor_id: str) -> bytes:
    """A secret as it is stored: it opens with the key file alone, and only as this person's app."""
    return keyring.seal(PURPOSE, secret, bound_to=f"{user_id}/{factor_id}")


def unseal(keyring: Keyring, sealed: bytes, *, user_id: str, factor_id: str) -> bytes:
    """The secret of an app.

    Raises:
        SealError: damaged, another person's, or sealed by a key that is not here.
    """
    return keyring.open(PURPOSE, sealed, bound_to=f"{user_id}/{factor_id}")
