"""SQL of accounts that are kept elsewhere. They lie in the table of accounts, under names that no address has."""

from typing import Final

from sqlalchemy import bindparam, select, update

from admit.issuer.accounts.store import USER_COLUMNS, USER_FROM, user_account
from admit.issuer.storage import Statement

# In the place of the hash stands what changes with the password. It is the hash of nothing, so nothing matches it.
SEEN: Final = Statement(
    select(*USER_COLUMNS, user_account.c.password_hash)
    .select_from(USER_FROM)
    .where(user_account.c.id == bindparam("user_id"))
)
# Only over what was read: of two nodes that see one change, one ends what it ends.
TAKE_OVER: Final = Statement(
    update(user_account)
    .where(
        user_account.c.id == bindparam("of_user"),
        user_account.c.updated_at == bindparam("seen_at"),
        user_account.c.credential_version == bindparam("seen_version"),
        user_account.c.email == bindparam("of_user"),
    )
    .values(
        email_shown=bindparam("new_shown"),
        name=bindparam("new_name"),
        locale=bindparam("new_locale"),
        email_verified_at=bindparam("new_verified"),
        claims=bindparam("new_claims"),
        password_hash=bindparam("new_stamp"),
        credential_version=bindparam("new_version"),
        updated_at=bindparam("new_time"),
    )
    .returning(user_account.c.id)
)
# Credentials of another version, so that a sign-in whose proof is from before begins no session.
LEAVE: Final = Statement(
    update(user_account)
    .where(
        user_account.c.id == bindparam("of_user"),
        user_account.c.updated_at == bindparam("seen_at"),
        user_account.c.credential_version == bindparam("seen_version"),
        user_account.c.email == bindparam("of_user"),
    )
    .values(
        credential_version=user_account.c.credential_version + 1,
        updated_at=user_account.c.updated_at + bindparam("least"),
    )
    .returning(user_account.c.id)
)
TOUCH: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"), user_account.c.email == bindparam("of_user"))
    .values(updated_at=user_account.c.updated_at + bindparam("least"))
)
