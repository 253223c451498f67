"""`Answers`: who signed in on an application's own page, kept for the moment until the browser is back.

The application knows a handle, which stands in an address. So its word alone signs nobody in: the browser comes back
with the key to it, once, within a minute, and has to be the one that the interaction is bound to. Whoever is sent
somebody else's address comes to nothing (RFC 9700 §4.7).
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from admit.issuer.grants.interactions import hash_handle
from admit.issuer.grants.records import Interaction
from admit.issuer.grants.store import answers as store
from admit.issuer.grants.store.interactions import interaction_of
from admit.issuer.storage import Database, bound_once

LIFE: Final = 60.0
"""Seconds from the application's word to the browser's return."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`user_id` signed in, with credentials of this version, and showed `proofs`. None: nobody will."""

    user_id: str | None
    credential_version: int | None
    proofs: frozenset[str]


def hash_key(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Answers:
    """Of all applications' pages, on all nodes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def open(self, handle: str, now: float) -> Interaction | None:
        """The interaction, whoever's browser it is."""
        row = await self._db.one(store.OPEN(of_id=hash_handle(handle), now=now))
        return None if row is None else interaction_of(row)

    async def keep(
        self, handle: str, now: float, *, user_id: str | None = None, credential_version: int | None = None,
        proofs: Collection[str] = (),
    ) -> str:  # fmt: skip
        """Keep what was said; the key to it."""
        key = secrets.token_urlsafe(32)
        row = store.INSERT(
            key_hash=hash_key(key),
            interaction_hash=hash_handle(handle),
            user_id=user_id,
            credential_version=credential_version,
            proofs=" ".join(sorted(proofs)),
            expires_at=now + LIFE,
        )
        await self._db.run(bound_once, row)
        return key

    async def spend(self, handle: str, key: str, now: float) -> Answer | None:
        """What was said of this interaction, once. To be called when the browser is known to be its own."""
        rows = await self._db.run(
            bound_once, store.SPEND(of_key=hash_key(key), of_id=hash_handle(handle), now=now)
        )
        if not rows:
            return None
        row = rows[0]
        return Answer(row["user_id"], row["credential_version"], frozenset(row["proofs"].split()))
