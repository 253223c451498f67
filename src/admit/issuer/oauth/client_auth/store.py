"""Assertions that were used: none is taken twice, by no node, also after a restart. RFC 7523 §3."""

import hashlib
from typing import Final

from sqlalchemy import Column, Double, LargeBinary, Table, bindparam

from admit.issuer.storage import Database, Statement, Steps, insert_or_ignore, metadata
from admit.issuer.storage.portions import Portions

spent_assertion: Final = Table(
    "spent_assertion",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("expires_at", Double, nullable=False),
)

CLOCKS_DIFFER: Final = 60.0  # seconds, between nodes

# Who inserts the row has used the assertion; of many at once the database lets one.
SPEND: Final = Statement(
    insert_or_ignore(spent_assertion)
    .values(hash=bindparam("hash"), expires_at=bindparam("expires_at"))
    .returning(spent_assertion.c.expires_at)
)
FORGET: Final = Portions(spent_assertion, spent_assertion.c.expires_at < bindparam("before", type_=Double))


def hash_of(client_id: str, jti: str) -> bytes:
    """One name for a client's `jti`: another client may choose the same. What a client chose is not stored."""
    raw = client_id.encode()
    return hashlib.sha256(len(raw).to_bytes(8, "big") + raw + jti.encode("utf-8", "surrogatepass")).digest()


def spend(client_id: str, jti: str, *, expires_at: float) -> Steps[bool]:
    """Use an assertion. False: it was used before. `expires_at`: when nobody would take it any more."""
    return bool((yield SPEND(hash=hash_of(client_id, jti), expires_at=expires_at)))


async def sweep(db: Database, now: float) -> None:
    """Forget those that have expired on every node, whatever its clock says: they are refused for that.

    Raises:
        StorageUnavailableError: not reached; the next call goes on.
    """
    await FORGET.delete_all(db, before=now - CLOCKS_DIFFER)
