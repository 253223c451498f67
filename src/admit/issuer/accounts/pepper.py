"""A secret that the database does not hold goes into each password before it is hashed, NIST SP 800-63B-4 §3.1.1.2.

Whoever has the database and not the key file cannot try a single password. The price: without the key file no password
is right any more, and everybody needs a new one. So it is asked for in the settings.

HMAC-SHA256 first, Argon2id of that second: what is stored says by which key of the key file, so that keys can follow
each other there, and the setting can be turned on and off. Each hash is made anew as the settings want it when its
owner signs in.
"""

import hashlib
import hmac
from typing import Final

from admit.issuer.storage import Keyring
from admit.issuer.storage.keyring import SealError

PREFIX: Final = "$admit-pepper$"
PURPOSE: Final = "passwords"  # of the key, by HKDF


class Pepper:
    """`is_on`: whether new hashes have one. Those that have are read in either case."""

    def __init__(self, keyring: Keyring | None = None, *, is_on: bool = False) -> None:
        self._keyring = keyring
        self._kid = keyring.current if is_on and keyring is not None else None

    def added(self, password: bytes) -> tuple[str, bytes]:
        """What to write before a new hash, and what to hash."""
        if self._kid is None:
            return "", password
        return PREFIX + self._kid, self._mac(self._kid, password)

    def opened(self, stored: str, password: bytes) -> tuple[str, bytes] | None:
        """The hash behind what is stored, and what to compare with it. None: its key is not in the key file."""
        if not stored.startswith(PREFIX):
            return stored, password
        kid, _, rest = stored.removeprefix(PREFIX).partition("$")
        try:
            return f"${rest}", self._mac(kid, password)
        except SealError:
            return None

    def is_current(self, stored: str) -> bool:
        """Whether new hashes are made with this very pepper, or with none as this one."""
        kid = stored.removeprefix(PREFIX).partition("$")[0] if stored.startswith(PREFIX) else None
        return kid == self._kid

    def _mac(self, kid: str, password: bytes) -> bytes:
        if self._keyring is None:
            raise SealError("there is no key file")
        return mix(self._keyring.derive(PURPOSE, kid)[1], password)


def bare(stored: str) -> str:
    """The hash without what stands before it."""
    return f"${stored.removeprefix(PREFIX).partition('$')[2]}" if stored.startswith(PREFIX) else stored


def mix(key: bytes, password: bytes) -> bytes:
    """32 octets that nobody makes of a password without the key."""
    return hmac.digest(key, password, hashlib.sha256)
