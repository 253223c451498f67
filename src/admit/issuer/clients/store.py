"""The table of clients: the ids that the database knows. Everything else about a client is in the settings."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Column, Double, Table, Text, bindparam, select, update

from admit.issuer.audit import AuditEvent, record
from admit.issuer.revocation import store as revocation
from admit.issuer.storage import Statement, Steps, any_of, metadata, upsert

client: Final = Table(
    "client",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("removed_at", Double),
)

FROM_SETTINGS: Final = "settings"

LIVE_CLIENTS: Final = Statement(
    select(client.c.id).where(client.c.source == FROM_SETTINGS, client.c.removed_at.is_(None))
)
ANY_CLIENT: Final = Statement(select(client.c.id).where(client.c.id == bindparam("id")))
ADD_CLIENT: Final = Statement(
    upsert(client)
    .values(id=bindparam("id"), source=FROM_SETTINGS, created_at=bindparam("created_at"))
    .on_conflict_do_update(
        index_elements=["id"], set_={"removed_at": None}, where=client.c.removed_at.is_not(None)
    )
    .returning(client.c.id)
)
REMOVE_CLIENTS: Final = Statement(
    update(client)
    .where(any_of(client.c.id, "ids"), client.c.removed_at.is_(None))
    .values(removed_at=bindparam("now"))
    .returning(client.c.id)
)


def sync(*, add: Collection[str], remove: Collection[str], now: float) -> Steps[None]:
    """Rows and holders for the clients of the settings; a mark on those that the settings name no more.

    A client that was taken out is unknown from then on, so its refresh tokens are worth nothing and its access tokens
    end within minutes. Nothing is ended here: while nodes are being renewed, some have the old settings.
    """
    for client_id in sorted(add):
        if (yield ADD_CLIENT(id=client_id, created_at=now)):
            yield from revocation.add_holder("client", client_id, now=now)
            yield record(AuditEvent.CLIENT_ADDED, now=now, client_id=client_id)
    if remove:
        for row in (yield REMOVE_CLIENTS(ids=sorted(remove), now=now)):
            yield record(AuditEvent.CLIENT_REMOVED, now=now, client_id=row["id"])
