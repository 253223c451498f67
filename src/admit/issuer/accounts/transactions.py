"""The transactions of accounts: each writes its audit record along with what it tells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

from admit.issuer.accounts import claims, store
from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.outbox import NO_MAIL, Mail, Outbox
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByUser, ByUserSessions, EndStart
from admit.issuer.storage import Bound, Many, Statement, Steps


class Label(Enum):
    """What a user can be given besides an account."""

    ROLE = "role"
    GROUP = "group"


_GIVE: dict[Label, tuple[Statement, str]] = {
    Label.ROLE: (store.INSERT_ROLE, "role"),
    Label.GROUP: (store.INSERT_GROUP, "name"),
}
_TAKE: dict[Label, tuple[Statement, str]] = {
    Label.ROLE: (store.DELETE_ROLE, "role"),
    Label.GROUP: (store.DELETE_GROUP, "name"),
}


Welcome: TypeAlias = Callable[[User, float], Steps[None]]
"""What is done for a new account besides making it."""


def no_welcome(user: User, now: float) -> Steps[None]:
    """Nothing."""
    yield from ()


@dataclass(frozen=True, slots=True)
class RightPassword:
    """A password was right. `give_back`: the try was counted before anything was hashed, and only wrong ones are to
    count; it goes into the transaction of what the sign-in begins.
    """

    user: User
    give_back: Callable[[], Steps[None]]


def insert_user(
    user: User, password_hash: str, *, event: AuditEvent, info: RequestInfo, welcome: Welcome = no_welcome
) -> Steps[bool]:
    """A new account, its holder, roles and groups, and its welcome. False: another account has the email."""
    rows = yield store.INSERT_USER(
        id=user.id,
        email=user.email,
        email_shown=user.email_shown,
        name=user.name,
        password_hash=password_hash,
        locale=user.locale,
        created_at=user.created_at,
        updated_at=user.updated_at,
        credential_version=user.credential_version,
        email_verified_at=user.email_verified_at,
        claims=claims.write(user.claims),
    )
    if not rows:
        return False
    yield from revocation.add_holder("user", user.id, now=user.created_at)
    if user.roles:
        yield Many(store.INSERT_ROLE, [{"user_id": user.id, "role": role} for role in sorted(user.roles)])
    if user.groups:
        yield Many(store.INSERT_GROUP, [{"user_id": user.id, "name": name} for name in sorted(user.groups)])
    yield record(event, info=info, now=user.created_at, user_id=user.id)
    yield from welcome(user, user.created_at)
    return True


def note_failed_login(user_id: str | None, *, reason: str, info: RequestInfo, now: float) -> Steps[None]:
    """The record of a wrong password. An unknown account is not named: what was typed may be a password."""
    yield record(
        AuditEvent.LOGIN_FAILED,
        outcome=Outcome.REFUSED,
        info=info,
        now=now,
        user_id=user_id,
        detail={"reason": reason},
    )


def change_label(
    lists: Lists, user_id: str, label: Label, name: str, *, give: bool, info: RequestInfo, now: float
) -> Steps[int | None]:
    """Give or take a role or group, and end what must not outlive the change; how many families. None: no change.

    More may be done: sessions end, so that nobody does it by a session id from before (contracts §4). Less may be
    done, or by an operator from now on: everything ends, since tokens say what the user might do when they were made,
    and what applications were granted was granted by somebody who was no operator.

    Raises:
        UserNotFoundError: no such user.
    """
    if not (yield store.USER_BY_ID(user_id=user_id)):
        raise UserNotFoundError
    statement, parameter = (_GIVE if give else _TAKE)[label]
    if not (yield statement(**{"user_id": user_id, parameter: name})):
        return None
    becomes_operator = give and (label, name) == (Label.ROLE, ADMIN_ROLE)
    start: EndStart = ByUserSessions(user_id) if give and not becomes_operator else ByUser(user_id)
    change = f"{label.value} {'added' if give else 'removed'}"
    ended = yield from end_after_change(lists, start, reason=change, now=now)
    yield record(
        AuditEvent.USER_CHANGED,
        info=info,
        now=now,
        user_id=user_id,
        detail={"change": change, label.value: name, "ended": ended},
    )
    return ended


def end_after_change(lists: Lists, start: EndStart, *, reason: str, now: float) -> Steps[int]:
    """End what was begun with the roles and groups from before; how many families."""
    return (yield from revocation.end(lists, start, reason=reason, now=now))


@dataclass(frozen=True, slots=True)
class Changes:
    """What is set of a person's standard claims. A claim whose value is None is taken away."""

    name: str | None = None
    locale: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)
    no_locale: bool = False


def set_claims(user_id: str, changes: Changes, *, info: RequestInfo, now: float) -> Steps[User | None]:
    """Set standard claims; the user as it is then. None: the account was changed at the same moment, nothing is kept.

    Raises:
        UserNotFoundError: no such user.
        ClaimValueError: a value that is not taken.
    """
    rows = yield store.USER_BY_ID(user_id=user_id)
    if not rows:
        raise UserNotFoundError
    user = store.user_of(rows[0])
    after = replace(
        user,
        name=changes.name if changes.name is not None else user.name,
        locale=None if changes.no_locale else changes.locale if changes.locale is not None else user.locale,
        claims=claims.changed(user.claims, changes.claims),
        updated_at=now,
    )
    if replace(after, updated_at=user.updated_at) == user:
        return user
    done = yield store.SET_CLAIMS(
        of_user=user_id,
        name_before=user.name,
        locale_before=user.locale,
        claims_before=claims.write(user.claims),
        new_name=after.name,
        new_locale=after.locale,
        new_claims=claims.write(after.claims),
        now=now,
    )
    if not done:
        return None
    named = sorted(
        {*changes.claims}
        | {name for name in ("name", "locale") if getattr(after, name) != getattr(user, name)}
    )
    detail: dict[str, Detail] = {"change": "claims", "claims": " ".join(named)}
    yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user_id, detail=detail)
    return after


def set_password(
    lists: Lists,
    user_id: str,
    password_hash: str,
    *,
    info: RequestInfo,
    now: float,
    outbox: Outbox = NO_MAIL,
) -> Steps[int | None]:
    """A new password, the end of all that the old one had opened, and a mail that tells of it. The count of what ended;
    None: no such user.
    """
    if not (yield store.SET_PASSWORD(of_user=user_id, new_hash=password_hash, now=now)):
        return None
    ended = yield from revocation.end(
        lists, ByUser(user_id, disable=False), reason="password changed", now=now
    )
    detail: dict[str, Detail] = {"change": "password", "ended": ended}
    yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user_id, detail=detail)
    if outbox.is_on:
        user = store.user_of((yield store.USER_BY_ID(user_id=user_id))[0])
        mail = Mail(kind="password_changed", user_id=user_id, to=user.email_shown, locale=user.locale)
        yield from outbox.post(mail, now=now)
    return ended


def disable(lists: Lists, user_id: str, *, info: RequestInfo, now: float) -> Steps[int | None]:
    """No sign-in any more, and the end of every session and grant. None: no such user."""
    if not (yield store.USER_BY_ID(user_id=user_id)):
        return None
    ended = yield from revocation.end(lists, ByUser(user_id, disable=True), reason="user disabled", now=now)
    yield record(AuditEvent.USER_DISABLED, info=info, now=now, user_id=user_id, detail={"ended": ended})
    return ended


def remove(
    lists: Lists,
    user_id: str,
    *,
    also: Sequence[Bound],
    info: RequestInfo,
    now: float,
    outbox: Outbox = NO_MAIL,
) -> Steps[int | None]:
    """Forget a person: the end of all that was opened for them, then the account and, by `also`, all else that is kept
    of them. What is left is a holder that is over, by which nobody gets this `sub` again, and records of the audit that
    name it. How many families ended; None: no such user.
    """
    rows = yield store.USER_BY_ID(user_id=user_id)
    if not rows:
        return None
    user = store.user_of(rows[0])
    ended = yield from revocation.end(lists, ByUser(user_id, disable=True), reason="user removed", now=now)
    if not (yield store.REMOVE_USER(of_user=user_id)):
        return None
    yield store.REMOVE_ROLES(of_user=user_id)
    yield store.REMOVE_GROUPS(of_user=user_id)
    for one in also:  # noqa: UP028  # rows are sent back, which a list takes none of
        yield one
    yield record(AuditEvent.USER_REMOVED, info=info, now=now, user_id=user_id, detail={"ended": ended})
    mail = Mail(kind="account_removed", user_id=None, to=user.email_shown, locale=user.locale)
    yield from outbox.post(mail, now=now)
    return ended


def enable(user_id: str, *, info: RequestInfo, now: float) -> Steps[bool]:
    """Sign-in works again; what was ended stays ended. False: no such user."""
    if not (yield store.USER_BY_ID(user_id=user_id)):
        return False
    yield from revocation.restore_holder("user", user_id)
    yield record(AuditEvent.USER_ENABLED, info=info, now=now, user_id=user_id)
    return True
