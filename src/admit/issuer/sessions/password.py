"""The change of a password by who is signed in: one transaction over the account, its families and this session."""

from admit.errors import SessionError
from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.outbox import Mail, Outbox
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByUserBut, EndStart
from admit.issuer.sessions import store
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.records import Session
from admit.issuer.storage import Steps


def change_password(
    lists: Lists,
    config: SessionConfig,
    outbox: Outbox,
    user: User,
    password_hash: str,
    *,
    keep: str,
    old_hash: bytes,
    new_hash: bytes,
    info: RequestInfo,
    now: float,
) -> Steps[Session]:
    """The new password; the end of all that the old one had opened, but for the session `keep`, which has a new id.

    `user` is as it was when the current password was checked.

    Raises:
        SessionError: another password was set meanwhile, or the session is over; nothing is done.
    """
    if not (
        yield accounts.REPLACE_PASSWORD(
            of_user=user.id, checked=user.credential_version, new_hash=password_hash, now=now
        )
    ):
        raise SessionError("the password was changed by somebody else meanwhile")
    ended = yield from revocation.end(lists, all_but(user.id, keep), reason="password changed", now=now)
    moved = yield store.MOVE(old_hash=old_hash, new_hash=new_hash, of_user=user.id, now=now)
    if not moved or (yield from revocation.lock_node(keep, now=now)) is None:
        raise SessionError("the session is over, or has another id already")
    detail: dict[str, Detail] = {"change": "password", "ended": ended}
    yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user.id, session_id=keep, detail=detail)
    rows = yield store.FIND(id_hash=new_hash)
    mail = Mail(kind="password_changed", user_id=user.id, to=user.email_shown, locale=user.locale)
    yield from outbox.post(mail, now=now)
    return store.session_of(rows[0], config)[0]


def all_but(user_id: str, keep: str) -> EndStart:
    """Where the end begins: whoever knew the old password may have opened any of them."""
    return ByUserBut(user_id, keep)
