"""Taking over what an application says of an account, and ending what is over there."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from admit.issuer.accounts import claims
from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.elsewhere import rules, store
from admit.issuer.accounts.errors import AccountsUnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import insert_user
from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByUser
from admit.issuer.storage import Many, Row, Statement, Steps

BY_ITSELF = RequestInfo(actor="application")


Mark: TypeAlias = Callable[[str | None], str]
"""What is stored of a stamp, given what was stored before: the very same for the same stamp."""


Version: TypeAlias = tuple[float, int] | None
"""Which row there is of an account: each write of what an application says makes another. None: there is none."""


def version(row: Row | None) -> Version:
    """The version of a row."""
    return None if row is None else version_of(accounts.user_of(row))


def version_of(user: User) -> Version:
    """The version of the row that a user was read from, or written as."""
    return user.updated_at, user.credential_version


def is_over(read: Version, found: Version) -> bool:
    """Whether a row is still the one that was read before the application was asked. Else what it said may be older
    than what the row says by now.
    """
    return read == found


def touch(user_ids: Sequence[str]) -> Steps[None]:
    """Other versions of these rows: whoever asked before must ask again. In the order of ids, as whoever locks two."""
    for user_id in user_ids:
        yield store.TOUCH(of_user=user_id, least=rules.LEAST)


def take_over(lists: Lists, after: User, mark: Mark, read: Version, *, now: float) -> Steps[User | None]:
    """The user as it is kept from here. `read`: the version from before the application was asked. None: somebody else
    wrote since; ask again.

    Raises:
        AccountsUnavailableError: an account of Admit's own has this id.
    """
    rows = yield store.SEEN(user_id=after.id)
    if not is_over(read, version(rows[0] if rows else None)):
        return None
    if not rows:
        made = yield from insert_user(after, mark(None), event=AuditEvent.USER_ADDED, info=BY_ITSELF)
        return after if made else None
    before = accounts.user_of(rows[0])
    if not before.is_elsewhere:
        raise AccountsUnavailableError("an account of Admit's own has this subject")
    stored: str = rows[0]["password_hash"]
    stamp = mark(stored)
    change = rules.change(before, after, same_stamp=stamp == stored, now=now)
    if change is None:
        return before
    user = change.user
    if not (
        yield store.TAKE_OVER(
            of_user=user.id,
            seen_at=before.updated_at,
            seen_version=before.credential_version,
            new_shown=user.email_shown,
            new_name=user.name,
            new_locale=user.locale,
            new_verified=user.email_verified_at,
            new_claims=claims.write(user.claims),
            new_stamp=stamp,
            new_version=user.credential_version,
            new_time=user.updated_at,
        )
    ):
        return None
    yield from _labels(user.id, "role", before.roles, user.roles, accounts.INSERT_ROLE, accounts.DELETE_ROLE)
    yield from _labels(
        user.id, "name", before.groups, user.groups, accounts.INSERT_GROUP, accounts.DELETE_GROUP
    )
    ended = 0
    if change.end is not None:
        ended = yield from revocation.end(lists, change.end, reason="account changed", now=now)
    detail: dict[str, Detail] = {"change": " ".join(change.names), "ended": ended}
    yield record(AuditEvent.USER_CHANGED, info=BY_ITSELF, now=now, user_id=user.id, detail=detail)
    return user


def _labels(
    user_id: str,
    parameter: str,
    before: Collection[str],
    after: Collection[str],
    give: Statement,
    take: Statement,
) -> Steps[None]:
    for statement, names in ((give, set(after) - set(before)), (take, set(before) - set(after))):
        if names:
            yield Many(statement, [{"user_id": user_id, parameter: name} for name in sorted(names)])


def gone(lists: Lists, user_id: str, read: Version, *, now: float) -> Steps[int | None]:
    """End all of somebody whose account was removed or made inactive, and a sign-in under way; how many families. The
    user is not barred here: whether they may come back is for the application to say. `read` and None: as in
    `take_over`.
    """
    rows = yield store.SEEN(user_id=user_id)
    if not is_over(read, version(rows[0] if rows else None)):
        return None
    if not rows:
        return 0
    before = accounts.user_of(rows[0])
    if not (
        yield store.LEAVE(
            of_user=user_id,
            seen_at=before.updated_at,
            seen_version=before.credential_version,
            least=rules.LEAST,
        )
    ):
        return None
    ended = yield from revocation.end(lists, ByUser(user_id), reason="account gone", now=now)
    if ended:
        detail: dict[str, Detail] = {"change": "gone", "ended": ended}
        yield record(AuditEvent.USER_CHANGED, info=BY_ITSELF, now=now, user_id=user_id, detail=detail)
    return ended
