"""The table of sessions and its SQL."""

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    Column,
    Double,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from admit.issuer.accounts.store import USER_COLUMNS, USER_FROM, user_account, user_from
from admit.issuer.revocation.store import node
from admit.issuer.sessions import rules
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.records import Session, SessionEntry
from admit.issuer.storage import Row, Statement, metadata

REMEMBERED: Final = 1024  # sessions; with their principals about 5 kB each

session: Final = Table(
    "session",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("id_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("auth_time", Double, nullable=False),
    Column("acr", Text, nullable=False),
    Column("amr", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_seen_at", Double, nullable=False),
    Column("absolute_expires_at", Double, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("ip", Text, nullable=False),
)

_JOINED = session.join(node, node.c.id == session.c.node_id)
_COLUMNS: tuple[Any, ...] = (
    session.c.node_id,
    node.c.idx,
    node.c.ended_at,
    session.c.auth_time,
    session.c.acr,
    session.c.amr,
    session.c.created_at,
    session.c.last_seen_at,
    session.c.absolute_expires_at,
)

# The hot path: everything that a principal needs, by one key.
FIND: Final = Statement(
    select(*_COLUMNS, *USER_COLUMNS)
    .select_from(_JOINED.join(USER_FROM, user_account.c.id == session.c.user_id))
    .where(session.c.id_hash == bindparam("id_hash"))
)
INSERT: Final = Statement(
    insert(session).values({column.name: bindparam(column.name) for column in session.c})
)
TOUCH: Final = Statement(
    update(session)
    .where(session.c.node_id == bindparam("session_id"), session.c.last_seen_at <= bindparam("before"))
    .values(last_seen_at=bindparam("now"))
)
RENEW: Final = Statement(
    update(session)
    .where(session.c.id_hash == bindparam("old_hash"), session.c.user_id == bindparam("of_user"))
    .values(
        id_hash=bindparam("new_hash"),
        auth_time=bindparam("now"),
        acr=bindparam("new_acr"),
        amr=bindparam("new_amr"),
        last_seen_at=bindparam("now"),
    )
    .returning(session.c.node_id)
)

_LIVE = and_(
    node.c.ended_at.is_(None),
    session.c.absolute_expires_at > bindparam("now", type_=Double),
    session.c.last_seen_at > bindparam("idle_before", type_=Double),
)
BY_HASH: Final = Statement(
    select(session.c.node_id, session.c.user_id)
    .select_from(_JOINED)
    .where(session.c.id_hash == bindparam("id_hash"), node.c.ended_at.is_(None))
)
OF_USER: Final = Statement(
    select(*_COLUMNS, session.c.user_agent, session.c.ip)
    .select_from(_JOINED)
    .where(session.c.user_id == bindparam("user_id"), _LIVE)
    .order_by(session.c.last_seen_at.desc())
    .limit(bindparam("count"))
)
OWNER: Final = Statement(
    select(session.c.user_id)
    .select_from(_JOINED)
    .where(session.c.node_id == bindparam("session_id"), node.c.ended_at.is_(None))
)
# What a user has that hangs from nothing else: sessions, and the grants that outlive them. Locked in the order in
# which ends lock, so that of two ends one tells what was ended.
ROOTS: Final = Statement(
    select(node.c.id, node.c.kind, node.c.client_id)
    .where(
        node.c.user_id == bindparam("user_id"),
        node.c.parent_id.is_(None),
        node.c.ended_at.is_(None),
        node.c.expires_at > bindparam("now", type_=Double),
    )
    .order_by(node.c.idx)
    .with_for_update(key_share=True)
)
# Locked, so that a session that is used at this moment is either seen as used or not found idle.
IDLE: Final = Statement(
    select(session.c.node_id, session.c.user_id)
    .select_from(_JOINED)
    .where(
        node.c.ended_at.is_(None),
        session.c.last_seen_at <= bindparam("idle_before"),
        session.c.absolute_expires_at > bindparam("now"),
    )
    .limit(bindparam("count"))
    .with_for_update(of=session, skip_locked=True)
)
FORGET: Final = Statement(
    delete(session).where(
        or_(
            session.c.absolute_expires_at < bindparam("before", type_=Double),
            session.c.node_id.in_(
                select(node.c.id).where(node.c.ended_at < bindparam("before", type_=Double))
            ),
        )
    )
)


def session_of(row: Row, config: SessionConfig) -> tuple[Session, float | None]:
    """The session in a row of FIND, and when somebody ended it."""
    return _session_from(tuple(cast(Iterable[Any], row)), config.idle)


# Making the values costs as much as reading the row. The row is read each time; the same row makes the same session.
@lru_cache(maxsize=REMEMBERED)
def _session_from(values: tuple[Any, ...], idle: timedelta) -> tuple[Session, float | None]:
    id, idx, ended_at, auth_time, acr, amr, created_at, last_seen_at, absolute, *user = values
    session = Session(
        id=id,
        idx=idx,
        user=user_from(user),
        auth_time=auth_time,
        acr=acr,
        amr=tuple(amr.split()),
        created_at=created_at,
        last_seen_at=last_seen_at,
        absolute_expires_at=absolute,
        expires_at=rules.expires_at(last_seen_at=last_seen_at, absolute_expires_at=absolute, idle=idle),
    )
    return session, ended_at


def entry_of(row: Row, config: SessionConfig) -> SessionEntry:
    """The list entry in a row of OF_USER."""
    return SessionEntry(
        id=row["node_id"],
        created_at=row["created_at"],
        last_seen_at=row["last_seen_at"],
        expires_at=rules.expires_at(
            last_seen_at=row["last_seen_at"], absolute_expires_at=row["absolute_expires_at"], idle=config.idle
        ),
        user_agent=row["user_agent"] or None,
        ip=row["ip"] or None,
    )
