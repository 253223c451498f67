"""The tables of second factors and their SQL: apps, recovery codes, sign-ins that wait."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from admit.issuer.accounts.store import user_account
from admit.issuer.factors.records import Factor, Pending
from admit.issuer.storage import Row, Statement, metadata, upsert
from admit.issuer.storage.portions import Portions

second_factor: Final = Table(
    "second_factor",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("confirmed_at", Double),
    Column("last_step", BigInteger, nullable=False),
    Column("last_used_at", Double),
    Column("tries", Integer, nullable=False),
)
recovery_code: Final = Table(
    "recovery_code",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
)
pending_sign_in: Final = Table(
    "pending_sign_in",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("binding_hash", LargeBinary, nullable=False),
    Column("user_id", Text, nullable=False, index=True),
    Column("credential_version", Integer, nullable=False),
    Column("enrolment", Text),
    Column("next", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("finished_at", Double),
)

# ── apps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_THEIRS = second_factor.c.user_id == bindparam("of_user")
_ONE = second_factor.c.id == bindparam("of_id")
_ON = second_factor.c.confirmed_at.is_not(None)
# Of this very session or sign-in, and not too old: another's, or one that was left lying, is not there.
_BEGUN = (
    _ONE,
    _THEIRS,
    second_factor.c.begun_by == bindparam("begun_by_"),
    second_factor.c.confirmed_at.is_(None),
    second_factor.c.created_at > bindparam("after", type_=Double),
)

INSERT: Final = Statement(
    insert(second_factor).values(
        id=bindparam("id"),
        user_id=bindparam("user_id"),
        kind="totp",
        name="",
        secret_sealed=bindparam("secret_sealed"),
        begun_by=bindparam("begun_by"),
        created_at=bindparam("now"),
        last_step=-1,
        tries=0,
    )
)
OF_USER: Final = Statement(
    select(
        second_factor.c.id, second_factor.c.name, second_factor.c.confirmed_at, second_factor.c.last_used_at
    )
    .where(_THEIRS, _ON)
    .order_by(second_factor.c.confirmed_at, second_factor.c.id)
)
ANY_OF_USER: Final = Statement(select(second_factor.c.id).where(_THEIRS, _ON).limit(1))
SECRETS_OF_USER: Final = Statement(
    select(second_factor.c.id, second_factor.c.secret_sealed).where(_THEIRS, _ON)
)
BEGUN: Final = Statement(
    select(second_factor.c.id, second_factor.c.secret_sealed, second_factor.c.created_at).where(*_BEGUN)
)
TRY_BEGUN: Final = Statement(
    update(second_factor)
    .where(*_BEGUN, second_factor.c.tries < bindparam("limit", type_=Integer))
    .values(tries=second_factor.c.tries + 1)
    .returning(second_factor.c.secret_sealed)
)
CONFIRM: Final = Statement(
    update(second_factor)
    .where(*_BEGUN)
    .values(
        confirmed_at=bindparam("now"),
        last_step=bindparam("new_step"),
        last_used_at=bindparam("now"),
        name=bindparam("new_name"),
    )
    .returning(second_factor.c.id)
)
# The step is kept along with the use, in the statement that decides: of two uses of one code one finds no row.
SPEND_STEP: Final = Statement(
    update(second_factor)
    .where(_ONE, _THEIRS, _ON, second_factor.c.last_step < bindparam("step", type_=BigInteger))
    .values(last_step=bindparam("step", type_=BigInteger), last_used_at=bindparam("now"))
    .returning(second_factor.c.id)
)
REMOVE: Final = Statement(delete(second_factor).where(_ONE, _THEIRS, _ON).returning(second_factor.c.name))
REMOVE_ALL: Final = Statement(delete(second_factor).where(_THEIRS).returning(second_factor.c.confirmed_at))
DROP_BEGUN: Final = Statement(
    delete(second_factor).where(
        _THEIRS,
        second_factor.c.confirmed_at.is_(None),
        or_(
            second_factor.c.begun_by == bindparam("begun_by_"),
            second_factor.c.created_at <= bindparam("after", type_=Double),
        ),
    )
)
FORGET_BEGUN: Final = Portions(
    second_factor,
    and_(
        second_factor.c.confirmed_at.is_(None),
        second_factor.c.created_at <= bindparam("before", type_=Double),
    ),
)
# Two changes of one person wait for each other, and each knows what it was decided on.
LOCK_CREDENTIALS: Final = Statement(
    select(user_account.c.id)
    .where(user_account.c.id == bindparam("of_user"), user_account.c.credential_version == bindparam("seen"))
    .with_for_update()
)
# A sign-in under way was begun with what was asked for before; by this it learns that it has to begin anew.
RAISE_CREDENTIALS: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"))
    .values(credential_version=user_account.c.credential_version + 1)
    .returning(user_account.c.id)
)

# ── recovery codes ────────────────────────────────────────────────────────────────────────────────────────────────

# A slot each: of two sets made at once the later one stands, whole, and no code of the other.
_PUT = upsert(recovery_code).values(
    user_id=bindparam("user_id"),
    slot=bindparam("slot"),
    code_hash=bindparam("code_hash"),
    created_at=bindparam("now"),
    used_at=None,
)
PUT_CODE: Final = Statement(
    _PUT.on_conflict_do_update(
        index_elements=["user_id", "slot"],
        set_={"code_hash": _PUT.excluded.code_hash, "created_at": _PUT.excluded.created_at, "used_at": None},
    )
)
SPEND_CODE: Final = Statement(
    update(recovery_code)
    .where(
        recovery_code.c.user_id == bindparam("of_user"),
        recovery_code.c.code_hash == bindparam("of_hash"),
        recovery_code.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
    .returning(recovery_code.c.slot)
)
KNOWN_CODE: Final = Statement(
    select(recovery_code.c.slot).where(
        recovery_code.c.user_id == bindparam("of_user"), recovery_code.c.code_hash == bindparam("of_hash")
    )
)
CODES_LEFT: Final = Statement(
    select(
        func.count(recovery_code.c.slot).label("left"), func.max(recovery_code.c.created_at).label("made_at")
    ).where(recovery_code.c.user_id == bindparam("of_user"), recovery_code.c.used_at.is_(None))
)
REMOVE_CODES: Final = Statement(delete(recovery_code).where(recovery_code.c.user_id == bindparam("of_user")))

# ── sign-ins that wait ────────────────────────────────────────────────────────────────────────────────────────────

# Open, of this browser, and of nobody else.
_OPEN = (
    pending_sign_in.c.id_hash == bindparam("of_id"),
    pending_sign_in.c.binding_hash == bindparam("of_browser"),
    pending_sign_in.c.finished_at.is_(None),
    pending_sign_in.c.expires_at > bindparam("now", type_=Double),
)
_PENDING = (
    pending_sign_in.c.user_id,
    pending_sign_in.c.credential_version,
    pending_sign_in.c.enrolment,
    pending_sign_in.c.next,
    pending_sign_in.c.expires_at,
)
INSERT_PENDING: Final = Statement(
    insert(pending_sign_in).values(
        id_hash=bindparam("id_hash"),
        binding_hash=bindparam("binding_hash"),
        user_id=bindparam("user_id"),
        credential_version=bindparam("credential_version"),
        enrolment=bindparam("enrolment"),
        next=bindparam("next"),
        created_at=bindparam("now"),
        expires_at=bindparam("expires_at"),
        tries=0,
    )
)
FIND_PENDING: Final = Statement(
    select(*_PENDING).where(*_OPEN, pending_sign_in.c.tries < bindparam("limit", type_=Integer))
)
# Counts and decides at once: of many codes sent together no more are looked at than may be tried.
TRY_PENDING: Final = Statement(
    update(pending_sign_in)
    .where(*_OPEN, pending_sign_in.c.tries < bindparam("limit", type_=Integer))
    .values(tries=pending_sign_in.c.tries + 1)
    .returning(*_PENDING, pending_sign_in.c.tries)
)
FINISH_PENDING: Final = Statement(
    update(pending_sign_in)
    .where(*_OPEN)
    .values(finished_at=bindparam("now", type_=Double))
    .returning(pending_sign_in.c.user_id)
)
DROP_PENDING: Final = Statement(
    delete(pending_sign_in).where(pending_sign_in.c.user_id == bindparam("of_user"))
)
FORGET_ALL_PENDING: Final = Statement(delete(pending_sign_in))
FORGET_PENDING: Final = Portions(
    pending_sign_in, pending_sign_in.c.expires_at <= bindparam("before", type_=Double)
)

# ── after the database went back in time ──────────────────────────────────────────────────────────────────────────

SPEND_STEPS: Final = Statement(
    update(second_factor)
    .where(second_factor.c.last_step < bindparam("step", type_=BigInteger))
    .values(last_step=bindparam("step", type_=BigInteger))
)
SELECT_USED: Final = Statement(
    select(
        recovery_code.c.user_id, recovery_code.c.slot, recovery_code.c.code_hash, recovery_code.c.used_at
    ).where(recovery_code.c.used_at.is_not(None))
)
SPEND_USED: Final = Statement(
    update(recovery_code)
    .where(
        recovery_code.c.user_id == bindparam("of_user"),
        recovery_code.c.slot == bindparam("of_slot"),
        recovery_code.c.code_hash == bindparam("hash"),
        recovery_code.c.used_at.is_(None),
    )
    .values(used_at=bindparam("at"))
)


def factor_of(row: Row) -> Factor:
    """The app in a row of OF_USER."""
    return Factor(
        id=row["id"], name=row["name"], created_at=row["confirmed_at"], last_used_at=row["last_used_at"]
    )


def pending_of(row: Row) -> Pending:
    """The sign-in in a row of FIND_PENDING or TRY_PENDING."""
    return Pending(
        user_id=row["user_id"],
        credential_version=row["credential_version"],
        expires_at=row["expires_at"],
        enrolment=row["enrolment"],
        next=row["next"],
    )
