"""How far the telling of events has come, and its SQL."""

from typing import Final

from sqlalchemy import Column, Double, Table, Text, and_, bindparam, delete, exists, func, or_, select, update

from admit.issuer.audit.events.rules import TOLD
from admit.issuer.audit.store import audit
from admit.issuer.storage import Statement, insert_or_ignore, metadata

event_cursor: Final = Table(
    "event_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    # Everything before this was told.
    Column("settled_until", Double, nullable=False),
    # Who tells now, and until when nobody else does.
    Column("teller", Text, nullable=False),
    Column("leased_until", Double, nullable=False),
)
event_told: Final = Table(
    "event_told",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False, index=True),
)

_since = bindparam("since", type_=Double)
_NEW = (audit.c.at > _since, audit.c.event.in_(TOLD), ~exists().where(event_told.c.id == audit.c.id))

BEGIN: Final = Statement(
    insert_or_ignore(event_cursor).values(
        name=bindparam("name"), settled_until=bindparam("now"), teller="", leased_until=0.0
    )
)
CLAIM: Final = Statement(
    update(event_cursor)
    .where(
        event_cursor.c.name == bindparam("of_name"),
        or_(
            event_cursor.c.teller == bindparam("me"),
            event_cursor.c.leased_until < bindparam("now", type_=Double),
        ),
    )
    .values(teller=bindparam("me"), leased_until=bindparam("until", type_=Double))
    .returning(event_cursor.c.settled_until)
)
_after = bindparam("after", type_=Text)
UNTOLD: Final = Statement(
    select(audit)
    .where(
        audit.c.at >= _since,  # said once more for the index
        or_(audit.c.at > _since, and_(audit.c.at == _since, _after != "", audit.c.id > _after)),
        *_NEW[1:],
    )
    .order_by(audit.c.at, audit.c.id)
    .limit(bindparam("count"))
)
"""A page of what is not told. `after` is the id of the last record of the page before, and `since` its time; ""
with the time to begin after."""
OLDEST_UNTOLD: Final = Statement(select(func.min(audit.c.at).label("at")).where(*_NEW))
NOTE: Final = Statement(insert_or_ignore(event_told).values(id=bindparam("id"), at=bindparam("at")))
SETTLE: Final = Statement(
    update(event_cursor)
    .where(
        event_cursor.c.name == bindparam("of_name"),
        event_cursor.c.teller == bindparam("me"),
        event_cursor.c.settled_until < bindparam("settled", type_=Double),
    )
    .values(settled_until=bindparam("settled", type_=Double))
    .returning(event_cursor.c.name)
)
FORGET: Final = Statement(delete(event_told).where(event_told.c.at <= bindparam("before", type_=Double)))
