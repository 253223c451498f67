"""The table of mailed links, its SQL, and what a link may change of an account."""

from typing import Final

from sqlalchemy import (
    Column,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from admit.issuer.accounts.links.records import Link, Purpose
from admit.issuer.accounts.store import USER_COLUMNS, USER_FROM, user_account
from admit.issuer.storage import Row, Statement, metadata
from admit.issuer.storage.portions import Portions

email_link: Final = Table(
    "email_link",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("user_id", Text, nullable=False, index=True),
    Column("email", Text, nullable=False),
    Column("email_shown", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("spent_at", Double),
)

INSERT: Final = Statement(
    insert(email_link).values({column.name: bindparam(column.name) for column in email_link.c})
)
FIND: Final = Statement(select(email_link).where(email_link.c.token_hash == bindparam("hash")))
# One conditional statement: of two uses, one gets the row.
SPEND: Final = Statement(
    update(email_link)
    .where(
        email_link.c.token_hash == bindparam("hash"),
        email_link.c.purpose == bindparam("for_"),
        email_link.c.spent_at.is_(None),
        email_link.c.expires_at > bindparam("now", type_=Double),
    )
    .values(spent_at=bindparam("now", type_=Double))
    .returning(*email_link.c)
)
FORGET_OF_USER: Final = Statement(delete(email_link).where(email_link.c.user_id == bindparam("of_user")))
FORGET_ALL: Final = Statement(delete(email_link))
PORTIONS: Final = Portions(email_link, email_link.c.expires_at < bindparam("before", type_=Double))

# Held until COMMIT, so that what was compared stays true.
LOCK_USER: Final = Statement(
    select(*USER_COLUMNS)
    .select_from(USER_FROM)
    .where(user_account.c.id == bindparam("user_id"))
    .with_for_update(of=user_account)
)
SET_VERIFIED: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"), user_account.c.email_verified_at.is_(None))
    .values(email_verified_at=bindparam("now"), updated_at=bindparam("now"))
)
CHANGE_EMAIL: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"))
    .values(
        email=bindparam("new_email"),
        email_shown=bindparam("new_shown"),
        email_verified_at=bindparam("now"),
        updated_at=bindparam("now"),
        credential_version=user_account.c.credential_version + 1,
    )
)


def link_of(row: Row) -> Link:
    """The link in a row."""
    return Link(
        purpose=Purpose(row["purpose"]),
        user_id=row["user_id"],
        email=row["email"],
        email_shown=row["email_shown"],
        credential_version=row["credential_version"],
        expires_at=row["expires_at"],
        spent_at=row["spent_at"],
    )
