"""The refresh token's format: `kid.family.generation.MAC`. Pure.

Nothing of a token is stored. The MAC is HMAC-SHA256 under a key that is kept outside the database, over the family, the
generation and the family's 128-bit salt, so that neither a copy of the database nor an altered token gives another one
(RFC 6749 §10.4).
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import lru_cache

PURPOSE = "refresh-token"  # of the key, in the keyring
MAX_LENGTH = 256

_TOKEN = re.compile(
    r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{16,64})\.(0|[1-9][0-9]{0,17})\.([A-Za-z0-9_-]{43})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A token taken apart; its MAC has not been checked."""

    kid: str
    family: str
    generation: int
    mac: str = field(repr=False)


def parse(token: str) -> RefreshToken | None:
    """The parts of a token, None when it has not the form. One token has one spelling."""
    match = _TOKEN.fullmatch(token) if len(token) <= MAX_LENGTH else None
    if match is None:
        return None
    kid, family, generation, mac = match.groups()
    return RefreshToken(kid, family, int(generation), mac)


@lru_cache(maxsize=8)  # a hot path: taking a key in is most of what a MAC costs
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)


def compute_mac(key: bytes, family: str, generation: int, salt: bytes) -> str:
    """base64url of the MAC. The salt has a fixed length and stands first, the dot occurs in neither of the others."""
    mac = _keyed(key).copy()
    mac.update(salt + f"{family}.{generation}".encode())
    return urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()


def write(kid: str, key: bytes, family: str, generation: int, salt: bytes) -> str:
    """The token of one generation of a family: the same each time it is asked for."""
    return f"{kid}.{family}.{generation}.{compute_mac(key, family, generation, salt)}"


def is_genuine(token: RefreshToken, key: bytes, salt: bytes) -> bool:
    """Whether the MAC is ours, in constant time. Compared as text, so that spare bits of base64url cannot vary."""
    return hmac.compare_digest(token.mac, compute_mac(key, token.family, token.generation, salt))
