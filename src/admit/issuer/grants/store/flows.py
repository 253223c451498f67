"""Sign-ins by JSON that are under way, by the SHA-256 of the handle that is good now."""

import json
from typing import Final

from sqlalchemy import Column, Double, LargeBinary, Table, Text, bindparam, delete, insert, or_, update

from admit.issuer.grants.records import SignInFlow
from admit.issuer.storage import Row, Statement, metadata
from admit.issuer.storage.portions import Portions

sign_in_flow: Final = Table(
    "sign_in_flow",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("binding_hash", LargeBinary),
    Column("request", Text, nullable=False),
    Column("waiting", LargeBinary),
    Column("expires_at", Double, nullable=False),
)

_THIS = sign_in_flow.c.id_hash == bindparam("of_flow")
_LIVE = sign_in_flow.c.expires_at > bindparam("now", type_=Double)
_FLOW = (sign_in_flow.c.request, sign_in_flow.c.waiting, sign_in_flow.c.expires_at)
# Of this client, and of this browser where it was begun by one.
_THEIRS = (
    sign_in_flow.c.client_id == bindparam("of_client"),
    or_(sign_in_flow.c.binding_hash.is_(None), sign_in_flow.c.binding_hash == bindparam("of_browser")),
)

INSERT: Final = Statement(
    insert(sign_in_flow).values(
        id_hash=bindparam("id_hash"),
        client_id=bindparam("client_id"),
        binding_hash=bindparam("binding_hash"),
        request=bindparam("request"),
        expires_at=bindparam("expires_at"),
    )
)
# The handle is spent and replaced in the statement that decides: of many that bring it one goes on.
_ADVANCE = update(sign_in_flow).where(_THIS, _LIVE, *_THEIRS).values(id_hash=bindparam("next_hash"))
ADVANCE_TO_PASSWORD: Final = Statement(_ADVANCE.where(sign_in_flow.c.waiting.is_(None)).returning(*_FLOW))
ADVANCE_TO_CODE: Final = Statement(_ADVANCE.where(sign_in_flow.c.waiting.is_not(None)).returning(*_FLOW))
WAIT: Final = Statement(
    update(sign_in_flow)
    .where(_THIS, _LIVE, sign_in_flow.c.waiting.is_(None))
    .values(waiting=bindparam("sign_in"))
    .returning(sign_in_flow.c.id_hash)
)
FINISH: Final = Statement(delete(sign_in_flow).where(_THIS, _LIVE).returning(sign_in_flow.c.client_id))
FORGET_ALL: Final = Statement(delete(sign_in_flow))
FORGET: Final = Portions(sign_in_flow, sign_in_flow.c.expires_at <= bindparam("before", type_=Double))


def flow_of(row: Row) -> SignInFlow:
    """The flow in a row of ADVANCE_TO_PASSWORD or ADVANCE_TO_CODE."""
    return SignInFlow(
        request=json.loads(row["request"]),
        waiting=bytes(row["waiting"]) if row["waiting"] is not None else None,
        expires_at=row["expires_at"],
    )
