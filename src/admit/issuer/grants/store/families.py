"""Grant families: one row each, however often their refresh tokens rotate."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Executable,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    column,
    exists,
    func,
    insert,
    or_,
    select,
    table,
    update,
)

from admit.issuer.accounts.store import USER_COLUMNS, user_account, user_from
from admit.issuer.audit.store import audit_where
from admit.issuer.grants.records import Family, OfUser
from admit.issuer.grants.store import claims
from admit.issuer.revocation.records import NodeKind
from admit.issuer.revocation.store import holder, node
from admit.issuer.storage import DialectName, Row, Statement, metadata
from admit.issuer.storage.portions import Portions

grant_family: Final = Table(
    "grant_family",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text, index=True),
    Column("session_id", Text),
    Column("scope", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("auth_time", Double, nullable=False),
    Column("acr", Text, nullable=False),
    Column("amr", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("rotated_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("jkt", Text),
    Column("claims", Text),
    Index(None, "session_id", "client_id"),
)

_JOINED = grant_family.join(node, node.c.id == grant_family.c.node_id)
_COLUMNS = (*grant_family.c, node.c.idx, node.c.kind, node.c.ended_at)
_FAMILIES = select(*_COLUMNS).select_from(_JOINED)
# With whose they are: what is asked for with every token takes one round trip.
_OF_USERS = select(*_COLUMNS, *USER_COLUMNS).select_from(
    # One after the other, and the user by the holder: SQLite would write down all users for a join within the join. As
    # everywhere, a user without a row that can be locked is none.
    _JOINED.outerjoin(holder, and_(holder.c.kind == "user", holder.c.id == grant_family.c.user_id)).outerjoin(
        user_account, user_account.c.id == holder.c.id
    )
)
_ALIVE = (node.c.ended_at.is_(None), node.c.expires_at > bindparam("now", type_=Double))

INSERT: Final = Statement(insert(grant_family).values({c.name: bindparam(c.name) for c in grant_family.c}))
FIND: Final = Statement(_FAMILIES.where(grant_family.c.node_id == bindparam("family")))
AT: Final = Statement(_FAMILIES.where(node.c.idx == bindparam("idx")))
FIND_OF_USER: Final = Statement(_OF_USERS.where(grant_family.c.node_id == bindparam("family")))
AT_OF_USER: Final = Statement(_OF_USERS.where(node.c.idx == bindparam("idx")))
OF_USER: Final = Statement(
    _FAMILIES.where(grant_family.c.user_id == bindparam("user_id"), *_ALIVE)
    .order_by(grant_family.c.created_at.desc())
    .limit(bindparam("count"))
)
OF_CLIENT: Final = Statement(
    _FAMILIES.where(grant_family.c.client_id == bindparam("client_id"), *_ALIVE)
    .order_by(grant_family.c.created_at.desc())
    .limit(bindparam("count"))
)
# What has no session is nobody's but the client's own; the index on both serves it.
OF_MACHINE: Final = Statement(
    _FAMILIES.where(
        grant_family.c.session_id.is_(None),
        grant_family.c.client_id == bindparam("client_id"),
        grant_family.c.audience == bindparam("audience"),
        node.c.kind == NodeKind.MACHINE.value,
        *_ALIVE,
    )
    .order_by(node.c.idx.desc())
    .limit(1)
)
TELL_WHERE_ALIVE: Final = Statement(
    audit_where(exists(select(node.c.id).where(node.c.id == bindparam("family"), *_ALIVE))).returning(
        column("id")
    )
)
"""The audit record that it is given, unless the family is over: then no row comes back."""
OF_USER_AND_CLIENT: Final = Statement(
    select(grant_family.c.node_id, grant_family.c.session_id)
    .select_from(_JOINED)
    .where(
        grant_family.c.user_id == bindparam("user_id"),
        grant_family.c.client_id == bindparam("client_id"),
        node.c.ended_at.is_(None),
    )
    .order_by(node.c.idx)
    .with_for_update(of=node, key_share=True)
)
OWNED: Final = Statement(
    select(grant_family.c.client_id, grant_family.c.session_id)
    .select_from(_JOINED)
    .where(
        grant_family.c.node_id == bindparam("family"),
        grant_family.c.user_id == bindparam("user_id"),
        node.c.ended_at.is_(None),
    )
)
# The one winner of a rotation. Whether the family still lives is asked right after, of its node.
ROTATE: Final = Statement(
    update(grant_family)
    .where(
        grant_family.c.node_id == bindparam("family"),
        grant_family.c.generation == bindparam("after"),
        grant_family.c.client_id == bindparam("of_client"),
    )
    .values(
        generation=grant_family.c.generation + 1,
        rotated_at=bindparam("now", type_=Double),
        used_at=bindparam("now", type_=Double),
    )
    .returning(grant_family.c.generation)
)
# The session that an online grant hangs from was used when the grant was: all that grants know of its row.
_session = table("session", column("node_id", Text), column("last_seen_at", Double))
SEE_SESSION: Final = Statement(
    update(_session)
    .where(_session.c.node_id == bindparam("session_id"), _session.c.last_seen_at <= bindparam("before"))
    .values(last_seen_at=bindparam("now", type_=Double))
)


def _rotate_and_tell() -> Executable:
    """ROTATE, SEE_SESSION, a share of the live node, and the record of it: a row where all of it was done.

    Locked in this order: the family, its session, its node, as the steps one by one do it.
    """
    now = bindparam("now", type_=Double)
    rotated = (
        update(grant_family)
        .where(
            grant_family.c.node_id == bindparam("family"),
            grant_family.c.generation == bindparam("after"),
            grant_family.c.client_id == bindparam("of_client"),
        )
        .values(generation=grant_family.c.generation + 1, rotated_at=now, used_at=now)
        .returning(grant_family.c.node_id)
        .cte("rotated")
    )
    seen = (
        update(_session)
        .where(
            _session.c.node_id == bindparam("of_session", type_=Text),
            _session.c.last_seen_at <= bindparam("before"),
            exists(select(rotated.c.node_id)),
        )
        .values(last_seen_at=now)
        .returning(_session.c.node_id)
        .cte("seen")
    )
    held = (
        select(node.c.id)
        .where(
            node.c.id == select(rotated.c.node_id).scalar_subquery(),
            *_ALIVE,
            select(func.count()).select_from(seen).scalar_subquery() >= 0,
        )
        .with_for_update(read=True, of=node)
        .cte("held")
    )
    told = audit_where(exists(select(held.c.id))).returning(column("id")).cte("told")
    return select(told.c.id)


ROTATE_AND_TELL: Final = Statement(lambda dialect: _rotate_and_tell())
"""For PostgreSQL only: SQLite has no such statements, and no round trips that they would spare."""

NOTE_USE: Final = Statement(
    update(grant_family)
    .where(grant_family.c.node_id == bindparam("family"), grant_family.c.used_at <= bindparam("before"))
    .values(used_at=bindparam("now", type_=Double))
)
# The live ones beyond the newest `keep`.
SURPLUS: Final = Statement(
    select(grant_family.c.node_id, grant_family.c.user_id)
    .select_from(_JOINED)
    .where(
        grant_family.c.session_id == bindparam("session_id"),
        grant_family.c.client_id == bindparam("client_id"),
        *_ALIVE,
    )
    .order_by(node.c.idx.desc())
    .offset(bindparam("keep"))
    .limit(1000)
)
# One value looked up by key for each row, as for sessions.
_ended_at = select(node.c.ended_at).where(node.c.id == grant_family.c.node_id).scalar_subquery()
FORGET: Final = Portions(
    grant_family,
    or_(
        grant_family.c.expires_at < bindparam("before", type_=Double),
        _ended_at < bindparam("before", type_=Double),
    ),
)


def _one_at_a_time(dialect: DialectName) -> Executable:
    # Two grants of one session and client that do not see each other could both count ten. SQLite has one writer.
    key = bindparam("key", type_=BigInteger)
    return select(func.pg_advisory_xact_lock(key) if dialect == "postgresql" else key)


ONE_AT_A_TIME: Final = Statement(_one_at_a_time)


def parameters(family: Family) -> dict[str, Any]:
    """What INSERT is told of a new family."""
    return {
        "node_id": family.id,
        "client_id": family.client_id,
        "user_id": family.user_id,
        "session_id": family.session_id,
        "scope": " ".join(sorted(family.scope)),
        "audience": family.audience,
        "auth_time": family.auth_time,
        "acr": family.acr,
        "amr": " ".join(family.amr),
        "created_at": family.created_at,
        "expires_at": family.expires_at,
        "generation": family.generation,
        "rotated_at": family.rotated_at,
        "used_at": family.used_at,
        "salt": family.salt,
        "jkt": family.jkt,
        "claims": claims.written(family.claims),
    }


def family_of(row: Row) -> Family:
    """The family in a row of FIND or OF_USER."""
    return _family_from(tuple(cast(Iterable[Any], row)))


def of_user(row: Row) -> OfUser:
    """The family and its user in a row of FIND_OF_USER or AT_OF_USER."""
    values = tuple(cast(Iterable[Any], row))
    whose = values[len(_COLUMNS) :]
    return OfUser(_family_from(values[: len(_COLUMNS)]), user_from(whose) if whose[0] is not None else None)


def _family_from(values: Sequence[Any]) -> Family:
    """By place: families are read often, and a row finds a name by comparing it with all of them."""
    (
        node_id,
        client_id,
        user_id,
        session_id,
        scope,
        audience,
        auth_time,
        acr,
        amr,
        created_at,
        expires_at,
        generation,
        rotated_at,
        used_at,
        salt,
        jkt,
        kept,
        idx,
        kind,
        ended_at,
    ) = values
    return Family(
        id=node_id,
        idx=idx,
        client_id=client_id,
        user_id=user_id,
        session_id=session_id,
        scope=frozenset(scope.split()),
        audience=audience,
        auth_time=auth_time,
        acr=acr,
        amr=tuple(amr.split()),
        created_at=created_at,
        expires_at=expires_at,
        generation=generation,
        rotated_at=rotated_at,
        used_at=used_at,
        offline=kind == NodeKind.OFFLINE.value,
        salt=bytes(salt),
        jkt=jkt,
        ended_at=ended_at,
        claims=claims.read(kept),
    )
