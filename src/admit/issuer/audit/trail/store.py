"""Statements that read the table `audit` for operators."""

from typing import Final

from sqlalchemy import Double, Integer, Text, bindparam, or_, select

from admit.issuer.audit.records import AuditEvent
from admit.issuer.audit.store import audit
from admit.issuer.storage import Bound, Statement

# An empty text asks for any.
_event, _client = bindparam("event", type_=Text), bindparam("client", type_=Text)
_ANY: Final = (
    select(audit)
    .where(
        audit.c.at >= bindparam("since", type_=Double),
        or_(_event == "", audit.c.event == _event),
        or_(_client == "", audit.c.client_id == _client),
    )
    .order_by(audit.c.at.desc(), audit.c.id.desc())
    .limit(bindparam("count", type_=Integer))
)
NEWEST: Final = Statement(_ANY)
NEWEST_OF_USER: Final = Statement(_ANY.where(audit.c.user_id == bindparam("of_user", type_=Text)))


def newest(
    *, user_id: str | None, event: AuditEvent | None, client_id: str | None, since: float, count: int
) -> Bound:
    """The newest records, those at or after `since` (seconds since the epoch), `count` at most, of one user, event or
    client where that is said.
    """
    named = {"event": event.value if event is not None else "", "client": client_id or ""}
    if user_id is None:
        return NEWEST(since=since, count=count, **named)
    return NEWEST_OF_USER(of_user=user_id, since=since, count=count, **named)
