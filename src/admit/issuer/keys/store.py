"""The table `signing_key` and its transactions. An UPDATE repeats what it relies on; no row: another was first."""

from collections.abc import Callable
from typing import Final, TypeAlias

from sqlalchemy import (
    Column,
    Double,
    Index,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    null,
    select,
    text,
    update,
)

from admit.issuer.keys.records import KeyEvent, KeyState, Purpose
from admit.issuer.storage import Bound, Statement, Steps, insert_or_ignore, metadata

signing_key: Final = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("alg", Text, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("private_sealed", LargeBinary),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("activates_at", Double, nullable=False),
    Column("retired_at", Double),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)
for _state in ("active", "next"):
    _where = text(f"state = '{_state}'")
    Index(
        f"uq_signing_key_{_state}",
        signing_key.c.purpose,
        signing_key.c.alg,
        unique=True,
        sqlite_where=_where,
        postgresql_where=_where,
    )

Tell: TypeAlias = Callable[[KeyEvent], Bound]
"""Makes the audit record of a change; it is written in the change's transaction."""

_k = signing_key.c
_is = {state: _k.state == state.value for state in KeyState}

SELECT_KEYS = Statement(select(signing_key).order_by(_k.created_at, _k.kid))
INSERT_KEY = Statement(
    insert_or_ignore(signing_key)
    .values(
        kid=bindparam("kid"),
        purpose=bindparam("purpose"),
        alg=bindparam("alg"),
        public_jwk=bindparam("public_jwk"),
        private_sealed=bindparam("private_sealed"),
        state=bindparam("state"),
        created_at=bindparam("now"),
        activates_at=bindparam("activates_at"),
    )
    .returning(_k.kid)
)
# The private half is of no more use once another key signs: nodes that have not noticed yet hold it in memory.
RETIRE = Statement(
    update(signing_key)
    .where(_k.kid == bindparam("old"), _is[KeyState.ACTIVE])
    .values(
        state=KeyState.RETIRING.value,
        retired_at=bindparam("now"),
        expires_at=bindparam("until"),
        private_sealed=null(),
    )
    .returning(_k.kid)
)
ACTIVATE = Statement(
    update(signing_key)
    .where(_k.kid == bindparam("new"), _is[KeyState.NEXT], _k.activates_at <= bindparam("now"))
    .values(state=KeyState.ACTIVE.value, activates_at=bindparam("now"))
    .returning(_k.kid)
)
PROMOTE = Statement(
    update(signing_key)
    .where(_k.kid == bindparam("new"), _is[KeyState.NEXT])
    .values(state=KeyState.ACTIVE.value, activates_at=bindparam("now"))
    .returning(_k.kid)
)
WITHDRAW = Statement(
    update(signing_key)
    .where(_k.kid == bindparam("key"), _is[KeyState.RETIRING], _k.expires_at <= bindparam("now"))
    .values(state=KeyState.GONE.value)
)
FORGET = Statement(delete(signing_key).where(_k.kid == bindparam("key"), _is[KeyState.GONE]))
BRING_FORWARD = Statement(
    update(signing_key)
    .where(_k.kid == bindparam("key"), _is[KeyState.NEXT], _k.activates_at > bindparam("at"))
    .values(activates_at=bindparam("at"))
    .returning(_k.kid)
)
REVOKE = Statement(
    update(signing_key)
    .where(_k.kid == bindparam("key"), _k.revoked_at.is_(None))
    .values(state=KeyState.GONE.value, revoked_at=bindparam("now"), private_sealed=null())
    .returning(_k.kid, _k.purpose, _k.alg)
)


class Overtaken(Exception):
    """Another node turned the key first; what this transaction did is rolled back. Never leaves the package."""


def insert_key(
    *,
    kid: str,
    purpose: Purpose,
    alg: str,
    public_jwk: str,
    private_sealed: bytes,
    state: KeyState,
    activates_at: float,
    told: Bound | None,
    now: float,
) -> Steps[bool]:
    """Store a new key unless its place is taken; whether it was stored."""
    rows = yield INSERT_KEY(
        kid=kid,
        purpose=purpose,
        alg=alg,
        public_jwk=public_jwk,
        private_sealed=private_sealed,
        state=state.value,
        activates_at=activates_at,
        now=now,
    )
    if rows and told is not None:
        yield told
    return bool(rows)


def activate(*, new: str, old: str, until: float, told: Bound | None, now: float) -> Steps[None]:
    """`new` signs from `now`, `old` stays published until `until`. Raises Overtaken when that is no longer so."""
    retired = yield RETIRE(old=old, now=now, until=until)
    if not retired:
        raise Overtaken
    activated = yield ACTIVATE(new=new, now=now)
    if not activated:
        raise Overtaken
    if told is not None:
        yield told


def promote(*, new: str, told: Bound | None, now: float) -> Steps[bool]:
    """`new` signs from `now` where nothing does; whether this made it so. A ConflictError: another key does."""
    rows = yield PROMOTE(new=new, now=now)
    if rows and told is not None:
        yield told
    return bool(rows)


def withdraw(*, key: str, now: float) -> Steps[None]:
    """Take a retired key out of /jwks."""
    yield WITHDRAW(key=key, now=now)


def forget(*, key: str) -> Steps[None]:
    """Delete a key that nothing can name any more."""
    yield FORGET(key=key)


def bring_forward(*, key: str, at: float) -> Steps[bool]:
    """Let a next key sign sooner; whether that changed anything."""
    rows = yield BRING_FORWARD(key=key, at=at)
    return bool(rows)


def revoke(*, key: str, told: Bound | None, now: float) -> Steps[bool]:
    """Mark a key as stolen, in whatever state; whether it was known and not revoked before."""
    rows = yield REVOKE(key=key, now=now)
    if rows and told is not None:
        yield told
    return bool(rows)


REVOKED_COLUMNS = ("kid", "purpose", "alg", "public_jwk", "created_at", "activates_at", "revoked_at")
SELECT_REVOKED = Statement(
    select(*(signing_key.c[name] for name in REVOKED_COLUMNS)).where(_k.revoked_at.is_not(None))
)
KEEP_REVOKED = Statement(
    insert_or_ignore(signing_key).values(
        state=KeyState.GONE.value, **{name: bindparam(name) for name in REVOKED_COLUMNS}
    )
)
"""A revoked key that another database tells of: heads go on naming it."""
REVOKE_ALL = Statement(
    update(signing_key)
    .where(_k.revoked_at.is_(None))
    .values(state=KeyState.GONE.value, revoked_at=bindparam("now"), private_sealed=null())
)
"""Where nobody knows which keys were revoked. The next start makes others."""
