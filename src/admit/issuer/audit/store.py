"""The table `audit`: its INSERT, and what is forgotten of it."""

import secrets
from collections.abc import Mapping
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Insert,
    Integer,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    insert,
    select,
    update,
)

from admit.issuer.audit.records import NOBODY, AuditEvent, Outcome, RequestInfo
from admit.issuer.audit.rules import FOR_GOOD, Detail, cut, detail_text
from admit.issuer.storage import Bound, Statement, Steps, metadata

audit: Final = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("user_id", Text, index=True),
    Column("client_id", Text),
    Column("session_id", Text),
    Column("actor", Text),
    Column("ip", Text),
    Column("request_id", Text),
    Column("detail", Text, nullable=False),
)

INSERT_AUDIT = Statement(
    insert(audit).values({column.name: bindparam(column.name) for column in audit.columns})
)


def audit_where(only: ColumnElement[bool]) -> Insert:
    """`INSERT_AUDIT`, with the same parameters, as part of a statement that writes it if `only` holds."""
    columns = list(audit.columns)
    values = [cast(bindparam(column.name), column.type) for column in columns]
    return insert(audit).from_select(columns, select(*values).where(only))


def record(
    event: AuditEvent,
    *,
    now: float,
    outcome: Outcome = Outcome.DONE,
    user_id: str | None = None,
    client_id: str | None = None,
    session_id: str | None = None,
    actor: str | None = None,
    info: RequestInfo = NOBODY,
    detail: Mapping[str, Detail] | None = None,
) -> Bound:
    """The INSERT of one record; yield it in the transaction that does what it tells.

    `now` is seconds since the epoch. `actor` is who did it where that is not the user (an administrator, the command
    line); without it, the one that `info` names, and so for `client_id`. `session_id` is the public `sid`, never a
    cookie. `detail` holds names and reasons, never a credential, a code or the value of a claim; long values are cut.
    """
    return INSERT_AUDIT(
        id=secrets.token_urlsafe(16),
        at=now,
        event=event.value,
        outcome=outcome.value,
        user_id=cut(user_id),
        client_id=cut(client_id if client_id is not None else info.client_id),
        session_id=cut(session_id),
        actor=cut(actor if actor is not None else info.actor),
        ip=cut(info.ip),
        request_id=cut(info.request_id),
        detail=detail_text(detail if detail is not None else {}),
    )


# By time first, which has an index: requests are looked up by hand, and records are written all day.
SELECT_OF_REQUEST = Statement(
    select(audit)
    .where(
        audit.c.at >= bindparam("since", type_=Double),
        audit.c.at <= bindparam("until", type_=Double),
        audit.c.request_id == bindparam("request_id"),
    )
    .order_by(audit.c.at)
)


def of_request(request_id: str, *, since: float, until: float) -> Bound:
    """The records of one request, told between these times (seconds since the epoch)."""
    return SELECT_OF_REQUEST(request_id=request_id, since=since, until=until)


# By the index on `at`. What stays for good is walked over once, and outside of any transaction.
_OVER: Final = (
    audit.c.actor.is_(None),
    audit.c.event.not_in(sorted(event.value for event in FOR_GOOD)),
)
OLDEST: Final = Statement(
    select(audit.c.at)
    .where(
        audit.c.at >= bindparam("since", type_=Double), audit.c.at < bindparam("before", type_=Double), *_OVER
    )
    .order_by(audit.c.at)
    .limit(bindparam("count", type_=Integer))
)
"""When the oldest were told that are over."""
BLANK: Final = Statement(
    update(audit).where(audit.c.user_id == bindparam("of_user", type_=Text)).values(ip=None)
)
"""What happened stays told; from where a person came who is here no more does not."""
_BETWEEN: Final = (
    select(audit.c.id)
    .where(
        audit.c.at >= bindparam("first", type_=Double), audit.c.at <= bindparam("last", type_=Double), *_OVER
    )
    .order_by(audit.c.at)
    .limit(bindparam("count", type_=Integer))
)
_FORGET: Final = Statement(delete(audit).where(audit.c.id.in_(_BETWEEN)).returning(audit.c.id))


def forget(first: float, last: float, count: int) -> Steps[int]:
    """Delete so many rows at most that were told between these times, both included; how many."""
    return len((yield _FORGET(first=first, last=last, count=count)))
