"""Authorization requests that clients pushed, by the SHA-256 of their reference."""

import json
from typing import Final

from sqlalchemy import Column, Double, LargeBinary, Table, Text, bindparam, insert, select, update

from admit.issuer.grants.records import Pushed
from admit.issuer.storage import Row, Statement, metadata
from admit.issuer.storage.portions import Portions

pushed_request: Final = Table(
    "pushed_request",
    metadata,
    Column("reference_hash", LargeBinary, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("spent_at", Double),
)

INSERT: Final = Statement(
    insert(pushed_request).values(
        reference_hash=bindparam("reference_hash"),
        client_id=bindparam("client_id"),
        request=bindparam("request"),
        expires_at=bindparam("expires_at"),
    )
)
FIND: Final = Statement(
    select(pushed_request.c.request).where(
        pushed_request.c.reference_hash == bindparam("of_reference"),
        pushed_request.c.client_id == bindparam("of_client"),
        pushed_request.c.spent_at.is_(None),
        pushed_request.c.expires_at > bindparam("now", type_=Double),
    )
)
# The one winner. Not held to the time: a person who opened the page in time may take longer to answer it.
SPEND: Final = Statement(
    update(pushed_request)
    .where(pushed_request.c.reference_hash == bindparam("of_reference"), pushed_request.c.spent_at.is_(None))
    .values(spent_at=bindparam("now", type_=Double))
    .returning(pushed_request.c.reference_hash)
)
FORGET: Final = Portions(pushed_request, pushed_request.c.expires_at < bindparam("before", type_=Double))


def pushed_of(row: Row) -> Pushed:
    """The pushed request in a row of FIND."""
    return Pushed(request=json.loads(row["request"]))
