"""Keys as they are stored, and what a node holds of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from admit.errors import KeysUnavailableError
from admit.jose import JWK, JWKSet

Purpose: TypeAlias = Literal["token", "status"]


class KeyState(StrEnum):
    """next (published, not used) → active → retiring (published, not used) → gone (known, not published)."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of `signing_key` without its private part. Times are seconds since the epoch."""

    kid: str
    purpose: Purpose
    alg: str
    state: KeyState
    created_at: float
    activates_at: float
    retired_at: float | None
    expires_at: float | None
    revoked_at: float | None


class KeyEventKind(StrEnum):
    """What happened to a key."""

    MADE = "made"
    ROTATED = "rotated"  # it signs from now on, in place of another
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One change, told in the transaction that makes it. `actor` is who asked, None for the rotation job."""

    kind: KeyEventKind
    kid: str
    purpose: Purpose
    alg: str
    at: float
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """All that a request needs of the keys; immutable, swapped whole."""

    keys: tuple[StoredKey, ...] = ()
    signers: Mapping[tuple[str, str], JWK] = field(default_factory=dict, repr=False)
    public_keys: JWKSet = field(default_factory=lambda: JWKSet(()))
    known: JWKSet = field(default_factory=lambda: JWKSet(()))
    token_keys: JWKSet = field(default_factory=lambda: JWKSet(()))
    """Of the published keys those that sign tokens; where a token is verified, status keys are not even there."""
    hint_keys: JWKSet = field(default_factory=lambda: JWKSet(()))
    """The same of the known ones: an expired ID token as logout hint may name a key that is published no more."""
    jwks_bytes: bytes = b'{"keys":[]}'
    revoked_kids: frozenset[str] = frozenset()

    def signer(self, purpose: Purpose, alg: str) -> JWK:
        """The active private key.

        Raises:
            KeysUnavailableError: none is held (yet).
        """
        try:
            return self.signers[purpose, alg]
        except KeyError:
            raise KeysUnavailableError(f"no active {purpose} key for {alg}") from None

    def published(self) -> JWKSet:
        """The public keys that `/jwks` shows: next, active and retiring ones (RFC 7517 §5)."""
        return self.public_keys

    @property
    def known_kids(self) -> frozenset[str]:
        """Published and retired keys, not the revoked ones: an expired ID token as logout hint may name any."""
        return frozenset(key.kid for key in self.known if key.kid is not None)


def row_to_key(row: Any) -> StoredKey:
    """A row of `signing_key` as a value."""
    return StoredKey(
        kid=row["kid"],
        purpose=row["purpose"],
        alg=row["alg"],
        state=KeyState(row["state"]),
        created_at=row["created_at"],
        activates_at=row["activates_at"],
        retired_at=row["retired_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
