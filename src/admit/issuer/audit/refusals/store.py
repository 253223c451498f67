"""The table `refusal`: numbered rows, of which only the newest are kept."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Identity,
    Integer,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from admit.issuer.audit.refusals.records import Refusal
from admit.issuer.storage import IDENTITY, Many, Row, Statement, Steps, metadata

refusal: Final = Table(
    "refusal",
    metadata,
    Column("n", IDENTITY, Identity(), primary_key=True),
    Column("request_id", Text, nullable=False, index=True),
    Column("at", Double, nullable=False, index=True),
    Column("status", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("client_id", Text),
    Column("ip", Text),
    Column("trace_id", Text),
)

_COLUMNS: Final = tuple(field.name for field in fields(Refusal))
INSERT = Statement(insert(refusal).values({name: bindparam(name) for name in _COLUMNS}))
# Numbers that a rolled-back transaction took leave gaps: then fewer rows than allowed are kept, never more.
_NEWEST: Final = select(func.coalesce(func.max(refusal.c.n), 0)).scalar_subquery()
DELETE_BEYOND = Statement(delete(refusal).where(refusal.c.n <= _NEWEST - bindparam("rows", type_=BigInteger)))
DELETE_OLD = Statement(delete(refusal).where(refusal.c.at < bindparam("before", type_=Double)))
SELECT_BY_REQUEST = Statement(
    select(refusal).where(refusal.c.request_id == bindparam("request_id")).order_by(refusal.c.n)
)
SELECT_LATEST = Statement(
    select(refusal).order_by(refusal.c.n.desc()).limit(bindparam("limit", type_=Integer))
)


def keep(some: Sequence[Refusal], *, rows: int, before: float) -> Steps[None]:
    """Write these, then forget what is beyond `rows` or older than `before`."""
    yield Many(INSERT, [asdict(one) for one in some])
    yield DELETE_BEYOND(rows=rows)
    yield DELETE_OLD(before=before)


def of_row(row: Row) -> Refusal:
    """A row as a value."""
    return Refusal(**{name: row[name] for name in _COLUMNS})
