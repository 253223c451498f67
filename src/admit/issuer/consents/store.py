"""The table of remembered consents and its SQL."""

import json
from typing import Final

from sqlalchemy import Column, Double, Table, Text, bindparam, delete, select

from admit.issuer.clients.store import client
from admit.issuer.consents.records import Remembered
from admit.issuer.storage import Bound, Row, Statement, metadata, upsert

consent: Final = Table(
    "consent",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("client_id", Text, primary_key=True, index=True),
    Column("audience", Text, primary_key=True),
    Column("granted", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("given_at", Double, nullable=False),
)

_ONE = (
    (consent.c.user_id == bindparam("of_user"))
    & (consent.c.client_id == bindparam("of_client"))
    & (consent.c.audience == bindparam("at"))
)

FIND: Final = Statement(select(consent).where(_ONE))
# For who writes it next: of two answers, and of an answer and its taking back, one comes after the other.
LOCK: Final = Statement(select(consent).where(_ONE).with_for_update())
# Shared until COMMIT, so that a taking back either comes first and is seen, or waits for the code that it then voids.
HOLD: Final = Statement(select(consent).where(_ONE).with_for_update(read=True))
OF_USER: Final = Statement(
    select(consent)
    .where(consent.c.user_id == bindparam("of_user"))
    .order_by(consent.c.given_at.desc())
    .limit(bindparam("count"))
)
_insert = upsert(consent).values({column.name: bindparam(column.name) for column in consent.c})
PUT: Final = Statement(
    _insert.on_conflict_do_update(
        index_elements=["user_id", "client_id", "audience"],
        set_={name: _insert.excluded[name] for name in ("granted", "shown", "given_at")},
    )
)
FORGET: Final = Statement(
    delete(consent)
    .where(consent.c.user_id == bindparam("of_user"), consent.c.client_id == bindparam("of_client"))
    .returning(consent.c.audience)
)
FORGET_OF_USER: Final = Statement(delete(consent).where(consent.c.user_id == bindparam("of_user")))
FORGET_OF_CLIENT: Final = Statement(delete(consent).where(consent.c.client_id == bindparam("of_client")))
# Of clients whose row is gone, or that were removed some time ago: while nodes are being renewed, some have the
# settings from before.
FORGET_REMOVED: Final = Statement(
    delete(consent).where(
        ~select(client.c.id)
        .where(
            client.c.id == consent.c.client_id,
            client.c.removed_at.is_(None) | (client.c.removed_at >= bindparam("before", type_=Double)),
        )
        .exists()
    )
)


def put(user_id: str, given: Remembered) -> Bound:
    """The statement that keeps an answer in the place of the one before."""
    return PUT(
        user_id=user_id,
        client_id=given.client_id,
        audience=given.audience,
        granted=" ".join(sorted(given.granted)),
        shown=json.dumps(dict(sorted(given.shown.items()))),
        given_at=given.given_at,
    )


def remembered_of(row: Row) -> Remembered:
    """The consent in a row."""
    return Remembered(
        client_id=row["client_id"],
        audience=row["audience"],
        granted=frozenset(row["granted"].split()),
        shown=json.loads(row["shown"]),
        given_at=row["given_at"],
    )
