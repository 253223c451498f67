"""The table of sessions and its SQL."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import (
    Column,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.accounts.store import USER_COLUMNS, USER_FROM, user_account, user_from, user_role
from admit.issuer.revocation.store import node
from admit.issuer.sessions import rules
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.records import Limits, Session, SessionEntry
from admit.issuer.storage import Bound, Row, Statement, any_of, metadata
from admit.issuer.storage.portions import Portions, Walk

REMEMBERED: Final = 1024  # sessions; with their principals about 5 kB each
SURPLUS_AT_ONCE: Final = 50  # sessions of one user, ended at a sign-in
PLACES_AT_MOST: Final = 50  # kinds of sign-ins that one is compared with

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
    # A node of an older version neither names nor judges: defaults, not values of its own.
    Column("name", Text),
    Column("unfamiliar", Integer, nullable=False, server_default=text("0")),
)

_witness = session.alias("witness")
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

# Places in a row of FIND.
PLACE_OF_IDX: Final = 1
PLACE_OF_END: Final = 2

# The hot path: everything that a principal needs, by one key.
FORGET_OF_USER: Final = Statement(delete(session).where(session.c.user_id == bindparam("of_user")))
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

# Another id and nothing else: who it is, and how and when that was proven, stays as it was.
MOVE: Final = Statement(
    update(session)
    .where(session.c.id_hash == bindparam("old_hash"), session.c.user_id == bindparam("of_user"))
    .values(id_hash=bindparam("new_hash"), last_seen_at=bindparam("now"))
    .returning(session.c.node_id)
)

_OPERATORS = select(user_role.c.user_id).where(user_role.c.role == ADMIN_ROLE)
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
    select(
        *_COLUMNS,
        session.c.user_agent,
        session.c.ip,
        session.c.name,
        session.c.unfamiliar,
        session.c.user_id.in_(_OPERATORS).label("operates"),
    )
    .select_from(_JOINED)
    .where(session.c.user_id == bindparam("user_id"), _LIVE)
    .order_by(session.c.last_seen_at.desc())
    .limit(bindparam("count"))
)
# For metrics: walks all sessions, so not for a request.
COUNT_LIVE: Final = Statement(select(func.count().label("n")).select_from(_JOINED).where(_LIVE))
# Of families of any kind, what sessions are among them.
HASHES_AT: Final = Statement(
    select(session.c.id_hash).select_from(_JOINED).where(any_of(node.c.idx, "indices"))
)
# Those beyond `keep`, the one used last first. Ended in the order of `idx`, as every end locks.
SURPLUS: Final = Statement(
    select(session.c.node_id, node.c.idx)
    .select_from(_JOINED)
    .where(session.c.user_id == bindparam("user_id"), _LIVE)
    .order_by(session.c.last_seen_at.desc(), node.c.idx.desc())
    .limit(SURPLUS_AT_ONCE)
    .offset(bindparam("keep", type_=Integer))
)
# What is still stored of the sign-ins before this one, ended ones included.
PLACES: Final = Statement(
    select(session.c.user_agent, session.c.ip)
    .where(
        session.c.user_id == bindparam("user_id"),
        session.c.node_id != bindparam("but"),
        session.c.created_at > bindparam("since", type_=Double),
    )
    .group_by(session.c.user_agent, session.c.ip)
    .order_by(func.max(session.c.created_at).desc())
    .limit(PLACES_AT_MOST)
)
_IS_LIVE = session.c.node_id.in_(
    select(node.c.id).where(node.c.id == bindparam("of_session"), node.c.ended_at.is_(None))
)


_THEIRS = (session.c.node_id == bindparam("of_session"), session.c.user_id == bindparam("of_user"), _IS_LIVE)
_RENAME: Final = Statement(
    update(session)
    .where(*_THEIRS)
    .values(name=bindparam("new_name", type_=Text))
    .returning(session.c.node_id)
)
_VOUCH: Final = Statement(
    update(session)
    .where(
        *_THEIRS,
        session.c.unfamiliar != 0,
        exists(
            select(_witness.c.node_id).where(
                _witness.c.node_id == bindparam("witness"),
                _witness.c.user_id == bindparam("of_user"),
                _witness.c.unfamiliar == 0,
            )
        ),
    )
    .values(unfamiliar=0)
    .returning(session.c.node_id)
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
_IDLE = (
    node.c.ended_at.is_(None),
    or_(
        session.c.last_seen_at <= bindparam("idle_before", type_=Double),
        and_(
            or_(
                session.c.last_seen_at <= bindparam("operator_idle_before", type_=Double),
                session.c.created_at <= bindparam("operator_begun_before", type_=Double),
            ),
            session.c.user_id.in_(_OPERATORS),
        ),
    ),
    session.c.absolute_expires_at > bindparam("now", type_=Double),
)
# Looked for some rows at a time, and outside of any transaction: SQLite's one writer has better things to do.
IDLE_WALK: Final = Walk(
    session.c.node_id, select(session.c.node_id.label("key")).select_from(_JOINED).where(*_IDLE)
)
# Locked, so that a session that is used at this moment is either seen as used or not found idle.
IDLE: Final = Statement(
    select(session.c.node_id, session.c.user_id)
    .select_from(_JOINED)
    .where(any_of(session.c.node_id, "ids"), *_IDLE)
    .with_for_update(of=session, skip_locked=True)
)
# One value looked up by key for each row, and no EXISTS: beside an OR, PostgreSQL would read all of `node` for it, for
# each portion anew.
_ended_at = select(node.c.ended_at).where(node.c.id == session.c.node_id).scalar_subquery()
FORGET: Final = Portions(
    session,
    or_(
        session.c.absolute_expires_at < bindparam("before", type_=Double),
        _ended_at < bindparam("before", type_=Double),
    ),
)


def rename_own(session_id: str, user_id: str, name: str | None) -> Bound:
    """Name a live session if it is this user's: a public id is no permission. A row where it was."""
    return _RENAME(of_session=session_id, of_user=user_id, new_name=name)


def vouch_for(session_id: str, user_id: str, witness: str) -> Bound:
    """Call a live session of this user's known, if the user says so in one that is known itself: not in that very one,
    nor in another that is not. A row where it was.
    """
    return _VOUCH(of_session=session_id, of_user=user_id, witness=witness)


def idle_bounds(config: SessionConfig, now: float) -> dict[str, float]:
    """What is used or begun no later than this is over: parameters of `IDLE` and its kin."""
    everybody, operators = rules.limits(config)
    return {
        "idle_before": now - everybody.idle.total_seconds(),
        "operator_idle_before": now - operators.idle.total_seconds(),
        "operator_begun_before": now - operators.absolute.total_seconds(),
        "now": now,
    }


def session_of(row: Row, config: SessionConfig) -> tuple[Session, float | None]:
    """The session in a row of FIND, and when somebody ended it."""
    return session_from(tuple(cast(Iterable[Any], row)), rules.limits(config))


# Making the values costs as much as reading the row. The row is read each time; the same row makes the same session.
@lru_cache(maxsize=REMEMBERED)
def session_from(values: tuple[Any, ...], both: tuple[Limits, Limits]) -> tuple[Session, float | None]:
    """The same, of a row's values in their order."""
    id, idx, ended_at, auth_time, acr, amr, created_at, last_seen_at, absolute, *whose = values
    user = user_from(whose)
    limits = rules.limits_of(user.roles, both)
    absolute = min(absolute, created_at + limits.absolute.total_seconds())
    session = Session(
        id=id,
        idx=idx,
        user=user,
        auth_time=auth_time,
        acr=acr,
        amr=tuple(amr.split()),
        created_at=created_at,
        last_seen_at=last_seen_at,
        absolute_expires_at=absolute,
        expires_at=rules.expires_at(
            last_seen_at=last_seen_at, absolute_expires_at=absolute, idle=limits.idle
        ),
    )
    return session, ended_at


def entry_of(row: Row, config: SessionConfig) -> SessionEntry:
    """The list entry in a row of OF_USER."""
    limits = rules.limits_of({ADMIN_ROLE} if row["operates"] else (), rules.limits(config))
    absolute = min(row["absolute_expires_at"], row["created_at"] + limits.absolute.total_seconds())
    return SessionEntry(
        id=row["node_id"],
        created_at=row["created_at"],
        last_seen_at=row["last_seen_at"],
        expires_at=rules.expires_at(
            last_seen_at=row["last_seen_at"], absolute_expires_at=absolute, idle=limits.idle
        ),
        user_agent=row["user_agent"] or None,
        ip=row["ip"] or None,
        name=row["name"],
        unfamiliar=bool(row["unfamiliar"]),
    )
