"""The tables of revocation."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from admit.issuer.storage import IDENTITY, metadata

# Whom families belong to. Issuing takes a share of this row, so that an end by user or client can wait for it.
holder: Final = Table(
    "holder",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
)

# The family tree. `idx` is never used again, not even after its row is gone: it names a bit.
node: Final = Table(
    "node",
    metadata,
    Column("idx", IDENTITY, Identity(), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("parent_id", Text),
    Column("user_id", Text),
    Column("client_id", Text),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("end_reason", Text),
    Index(None, "parent_id"),
    Index(None, "user_id"),
    Index(None, "client_id"),
    sqlite_autoincrement=True,
)

status_list: Final = Table(
    "status_list",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("seed_sealed", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("dropped_at", Double),
)

# One row. Whoever raises `seq` holds its lock until COMMIT, so the order of `seq` is the order of commits.
status_head: Final = Table(
    "status_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# Which transaction got which `seq`.
status_batch: Final = Table(
    "status_batch",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tx", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
)

# What each transaction set. The bits of a list are made from these rows, so they are kept while it is in use.
# A negative `position` is a mark: see `rules.mark_from` and `rules.LISTS_CHANGED`.
status_change: Final = Table(
    "status_change",
    metadata,
    Column("tx", BigInteger, primary_key=True, autoincrement=False),
    Column("list", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Index(None, "list"),
)
