"""SQL of imports, on the tables of accounts."""

from typing import Final

from sqlalchemy import bindparam, exists, func, select, update

from admit.issuer.accounts.store import user_account
from admit.issuer.audit import AuditEvent
from admit.issuer.audit.store import audit
from admit.issuer.storage import Statement, any_of

THERE: Final = Statement(select(user_account.c.email).where(any_of(user_account.c.email, "emails")))
# Of these addresses the ones that nobody has proved, of accounts that no operator and no import made: a stranger typed
# them at a sign-up. Told by the record that is there, since those of sign-ups are forgotten after a while.
CLAIMED: Final = Statement(
    select(user_account.c.email).where(
        any_of(user_account.c.email, "emails"),
        user_account.c.email_verified_at.is_(None),
        ~exists().where(audit.c.user_id == user_account.c.id, audit.c.event == AuditEvent.USER_ADDED.value),
    )
)
UPDATE_PROFILE: Final = Statement(
    update(user_account)
    .where(user_account.c.id == bindparam("of_user"))
    .values(
        name=bindparam("new_name"),
        locale=bindparam("new_locale"),
        claims=bindparam("new_claims"),
        email_verified_at=func.coalesce(user_account.c.email_verified_at, bindparam("verified_at")),
        updated_at=bindparam("now"),
    )
)
