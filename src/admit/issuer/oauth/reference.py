"""Opaque access tokens, RFC 6749 §1.4: a sealed reference to a family. Nothing is stored for one (contracts §3.1).

`admit_at_` and base64url of: length of the key's name, its name, 192 random bits, and AES-256-GCM of what the token
refers to. The key of each token is HMAC-SHA256 of its random bits under a key that HKDF derives from the keyring, which
is kept outside the database; so no two tokens share a key and nonce, however many are made, and neither a copy of the
database nor an altered token gives another one.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from admit.errors import MalformedTokenError
from admit.issuer.storage import Keyring, SealError
from admit.jose import base64url

PREFIX: Final = "admit_at_"  # finds one that has leaked, and tells it from a JWT
MAX_LENGTH: Final = 4_096
PURPOSE: Final = "access-token-reference"
_SALT: Final = 24
_TAG: Final = 16
_NONCE: Final = bytes(12)  # every token has a key of its own

_Fields = tuple[str, tuple[str, ...], tuple[str, ...], int, int]
_DECODER: Final = msgspec.msgpack.Decoder(_Fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What an opaque token refers to. Times are seconds since the epoch; `jti` follows from its random bits."""

    family: str
    scope: frozenset[str]
    audience: frozenset[str]
    iat: int
    exp: int
    jti: str = ""


class References:
    """Writes opaque tokens with the current key, opens those of all keys that the keyring holds."""

    def __init__(self, keyring: Keyring, issuer: str) -> None:
        """`issuer`: whose tokens they are. A copy of it with the same keys, under another name, opens none of them."""
        self._keyring = keyring
        self._issuer = issuer.encode()
        self._current, key = keyring.derive(PURPOSE)
        self._derived: dict[str, bytes] = {self._current: key}

    def write(self, reference: Reference) -> str:
        """The token."""
        fields: _Fields = (
            reference.family,
            tuple(sorted(reference.scope)),
            tuple(sorted(reference.audience)),
            reference.iat,
            reference.exp,
        )
        kid, salt = self._current.encode(), secrets.token_bytes(_SALT)
        key = _key_of(self._derived[self._current], salt)
        sealed = AESGCM(key).encrypt(_NONCE, msgspec.msgpack.encode(fields), bound_to(kid, self._issuer))
        octets = bytes((len(kid),)) + kid + salt + sealed
        return PREFIX + urlsafe_b64encode(octets).rstrip(b"=").decode()

    def open(self, token: str) -> Reference | None:
        """What a token that we wrote refers to, however old it is; None for anything else."""
        parts = taken_apart(token)
        key = self._key(parts[0]) if parts is not None else None
        if parts is None or key is None:
            return None
        kid, salt, sealed = parts
        opened = unsealed(_key_of(key, salt), sealed, bound_to(kid, self._issuer))
        if opened is None:
            return None
        family, scope, audience, iat, exp = _DECODER.decode(opened)
        return Reference(
            family=family,
            scope=frozenset(scope),
            audience=frozenset(audience),
            iat=iat,
            exp=exp,
            jti=_name_of(salt),
        )

    def _key(self, name: bytes) -> bytes | None:
        kid = name.decode("ascii", "replace")
        if kid not in self._derived:
            try:
                self._derived[kid] = self._keyring.derive(PURPOSE, kid)[1]
            except SealError:
                return None  # not kept: strangers choose what they send
        return self._derived[kid]


def is_reference(token: str) -> bool:
    """Whether a token has the form of ours; nothing is proved by it."""
    return token.startswith(PREFIX)


def taken_apart(token: str) -> tuple[bytes, bytes, bytes] | None:
    """Name of the key, random bits, and what is sealed. One token has one spelling."""
    if not is_reference(token) or len(token) > MAX_LENGTH:
        return None
    try:
        octets = base64url.decode(token[len(PREFIX) :].encode("ascii"))
    except (MalformedTokenError, UnicodeEncodeError):
        return None
    end = 1 + octets[0] if octets else 0
    if end <= 1 or len(octets) < end + _SALT + _TAG:
        return None
    return octets[1:end], octets[end : end + _SALT], octets[end + _SALT :]


def unsealed(key: bytes, sealed: bytes, bound_to: bytes) -> bytes | None:
    """What was sealed, None where a single bit of it is not as it was, RFC 6819 §4.6.3."""
    try:
        return AESGCM(key).decrypt(_NONCE, sealed, bound_to)
    except InvalidTag:
        return None


def _key_of(key: bytes, salt: bytes) -> bytes:
    return hmac.digest(key, salt, hashlib.sha256)


def bound_to(kid: bytes, issuer: bytes) -> bytes:
    """What a token is sealed together with, and is not in it: the name of its key, and of who made it."""
    return PREFIX.encode() + bytes((len(kid),)) + kid + issuer


def _name_of(salt: bytes) -> str:
    """The `jti`: of the random bits nobody learns from it."""
    return urlsafe_b64encode(hashlib.sha256(b"jti" + salt).digest()[:16]).rstrip(b"=").decode()
