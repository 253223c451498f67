"""Authorization requests that wait for a person."""

import json
from typing import Final

from sqlalchemy import Column, Double, LargeBinary, Table, Text, bindparam, insert, select, update

from admit.issuer.grants.records import Interaction
from admit.issuer.storage import Row, Statement, metadata
from admit.issuer.storage.portions import Portions

interaction: Final = Table(
    "interaction",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("binding_hash", LargeBinary, nullable=False),
    Column("request", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("session_id", Text),
    Column("finished_at", Double),
)

_COLUMNS = (
    interaction.c.request,
    interaction.c.client_id,
    interaction.c.created_at,
    interaction.c.expires_at,
    interaction.c.session_id,
)
# Open, of this browser, and of nobody else.
_OPEN = (
    interaction.c.id_hash == bindparam("of_id"),
    interaction.c.binding_hash == bindparam("of_browser"),
    interaction.c.finished_at.is_(None),
    interaction.c.expires_at > bindparam("now", type_=Double),
)

INSERT: Final = Statement(
    insert(interaction).values(
        id_hash=bindparam("id_hash"),
        binding_hash=bindparam("binding_hash"),
        request=bindparam("request"),
        client_id=bindparam("client_id"),
        created_at=bindparam("created_at"),
        expires_at=bindparam("expires_at"),
        session_id=bindparam("session_id"),
    )
)
FIND: Final = Statement(select(*_COLUMNS).where(*_OPEN))
NOTE_SESSION: Final = Statement(
    update(interaction)
    .where(*_OPEN)
    .values(session_id=bindparam("of_session"))
    .returning(interaction.c.id_hash)
)
FINISH: Final = Statement(
    update(interaction).where(*_OPEN).values(finished_at=bindparam("now", type_=Double)).returning(*_COLUMNS)
)
FINISH_ALL: Final = Statement(
    update(interaction)
    .where(interaction.c.finished_at.is_(None))
    .values(finished_at=bindparam("now", type_=Double))
)
FORGET: Final = Portions(interaction, interaction.c.expires_at < bindparam("before", type_=Double))


def interaction_of(row: Row) -> Interaction:
    """The interaction in a row of FIND or FINISH."""
    return Interaction(
        client_id=row["client_id"],
        request=json.loads(row["request"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        session_id=row["session_id"],
    )
