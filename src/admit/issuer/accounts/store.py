"""Tables and SQL of accounts."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)

from admit.issuer.accounts import claims
from admit.issuer.accounts.records import User
from admit.issuer.revocation.store import holder
from admit.issuer.storage import Row, Statement, insert_or_ignore, metadata

user_account: Final = Table(
    "user_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("email_shown", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("locale", Text),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("email_verified_at", Double),
    Column("claims", Text),
)
user_role: Final = Table(
    "user_role",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),
)
user_group: Final = Table(
    "user_group",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
)

# A role or group name holds no control character, so that this cannot stand in one.
_BETWEEN: Final = "\n"


def _joined(column: Column[str], owner: Column[str]) -> ColumnElement[Any]:
    return (
        select(func.aggregate_strings(column, _BETWEEN)).where(owner == user_account.c.id).scalar_subquery()
    )


# Whoever looks a user up joins these two, and reads the columns by `user_of`. Inner: what nobody can lock is not there.
USER_FROM: Final = user_account.join(holder, and_(holder.c.kind == "user", holder.c.id == user_account.c.id))
USER_COLUMNS: Final[tuple[ColumnElement[Any], ...]] = (
    user_account.c.id.label("user_id"),
    user_account.c.email.label("user_email"),
    user_account.c.email_shown.label("user_email_shown"),
    user_account.c.name.label("user_name"),
    _joined(user_role.c.role, user_role.c.user_id).label("user_roles"),
    _joined(user_group.c.name, user_group.c.user_id).label("user_groups"),
    user_account.c.locale.label("user_locale"),
    user_account.c.created_at.label("user_created_at"),
    user_account.c.updated_at.label("user_updated_at"),
    holder.c.ended_at.label("user_disabled_at"),
    user_account.c.credential_version.label("user_credential_version"),
    user_account.c.email_verified_at.label("user_email_verified_at"),
    user_account.c.claims.label("user_claims"),
)


def _set(text: str | None) -> frozenset[str]:
    return frozenset(text.split(_BETWEEN)) if text else frozenset()


def user_of(row: Row) -> User:
    """The user in a row that begins with USER_COLUMNS."""
    return user_from(tuple(cast(Iterable[Any], row))[: len(USER_COLUMNS)])


def user_from(values: Sequence[Any]) -> User:
    """The user that values in the order of USER_COLUMNS make. By place: a session is read often, and a
    row finds a name by comparing it with all of them."""
    (
        id,
        email,
        shown,
        name,
        roles,
        groups,
        locale,
        created_at,
        updated_at,
        disabled_at,
        version,
        verified_at,
        kept,
    ) = values
    return User(
        id=id,
        email=email,
        email_shown=shown,
        name=name,
        roles=_set(roles),
        groups=_set(groups),
        locale=locale,
        created_at=created_at,
        updated_at=updated_at,
        disabled_at=disabled_at,
        credential_version=version,
        email_verified_at=verified_at,
        claims=claims.read(kept),
    )


_USERS = select(*USER_COLUMNS).select_from(USER_FROM)
USER_BY_ID: Final = Statement(_USERS.where(user_account.c.id == bindparam("user_id")))
USER_BY_EMAIL: Final = Statement(_USERS.where(user_account.c.email == bindparam("email")))
USERS_AFTER: Final = Statement(
    _USERS.where(user_account.c.email > bindparam("after"))
    .order_by(user_account.c.email)
    .limit(bindparam("count"))
)
_start = bindparam("start", type_=Text)
HASHES_THAT_START: Final = Statement(
    select(func.count().label("n"))
    .select_from(user_account)
    .where(func.substr(user_account.c.password_hash, 1, func.length(_start)) == _start)
)
LOGIN_BY_EMAIL: Final = Statement(
    select(*USER_COLUMNS, user_account.c.password_hash)
    .select_from(USER_FROM)
    .where(user_account.c.email == bindparam("email"))
)
ONE_WITH_ROLE: Final = Statement(
    select(user_role.c.user_id)
    .join(holder, and_(holder.c.kind == "user", holder.c.id == user_role.c.user_id))
    .where(user_role.c.role == bindparam("role"), holder.c.ended_at.is_(None))
    .limit(1)
)

# The unique key decides who was first to have an email: no row comes back for the second.
INSERT_USER: Final = Statement(
    insert_or_ignore(user_account)
    .values({column.name: bindparam(column.name) for column in user_account.c})
    .returning(user_account.c.id)
)
INSERT_ROLE: Final = Statement(
    insert_or_ignore(user_role)
    .values(user_id=bindparam("user_id"), role=bindparam("role"))
    .returning(user_role.c.role.label("label"))
)
INSERT_GROUP: Final = Statement(
    insert_or_ignore(user_group)
    .values(user_id=bindparam("user_id"), name=bindparam("name"))
    .returning(user_group.c.name.label("label"))
)
DELETE_ROLE: Final = Statement(
    delete(user_role)
    .where(user_role.c.user_id == bindparam("user_id"), user_role.c.role == bindparam("role"))
    .returning(user_role.c.role.label("label"))
)
DELETE_GROUP: Final = Statement(
    delete(user_group)
    .where(user_group.c.user_id == bindparam("user_id"), user_group.c.name == bindparam("name"))
    .returning(user_group.c.name.label("label"))
)
# Who is removed stays as a holder that is over: nobody is given that `sub` again.
REMOVE_USER: Final = Statement(
    delete(user_account).where(user_account.c.id == bindparam("of_user")).returning(user_account.c.id)
)
REMOVE_ROLES: Final = Statement(delete(user_role).where(user_role.c.user_id == bindparam("of_user")))
REMOVE_GROUPS: Final = Statement(delete(user_group).where(user_group.c.user_id == bindparam("of_user")))
SET_PASSWORD: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"))
    .values(
        password_hash=bindparam("new_hash"),
        credential_version=user_account.c.credential_version + 1,
        updated_at=bindparam("now"),
    )
    .returning(user_account.c.id)
)
# Only where the credentials are those that were checked: of two changes at once the second finds none.
REPLACE_PASSWORD: Final = Statement(
    update(user_account)
    .where(
        user_account.c.id == bindparam("of_user"),
        user_account.c.credential_version == bindparam("checked"),
    )
    .values(
        password_hash=bindparam("new_hash"),
        credential_version=user_account.c.credential_version + 1,
        updated_at=bindparam("now"),
    )
    .returning(user_account.c.id)
)
# Only over what was read, so that of two changes at once none is lost.
SET_CLAIMS: Final = Statement(
    update(user_account)
    .where(
        user_account.c.id == bindparam("of_user"),
        user_account.c.name == bindparam("name_before"),
        user_account.c.locale.is_not_distinct_from(bindparam("locale_before")),
        user_account.c.claims.is_not_distinct_from(bindparam("claims_before")),
    )
    .values(
        name=bindparam("new_name"),
        locale=bindparam("new_locale"),
        claims=bindparam("new_claims"),
        updated_at=bindparam("now"),
    )
    .returning(user_account.c.id)
)
# Only over the hash that was checked: a password set meanwhile stays.
REHASH_PASSWORD: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"), user_account.c.password_hash == bindparam("old_hash"))
    .values(password_hash=bindparam("new_hash"))
)
# Ids are random, so that the first of them are a sample, and the same one on every node.
SOME_HASHES: Final = Statement(
    select(user_account.c.password_hash).order_by(user_account.c.id).limit(bindparam("count"))
)
