"""The transactions of such links: each writes its audit record, and posts its mails, along with what it does."""

from dataclasses import replace
from datetime import timedelta

from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.errors import AccountElsewhereError, LinkError, UserNotFoundError
from admit.issuer.accounts.links import rules, store
from admit.issuer.accounts.links.records import Link, Purpose
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import Welcome
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.outbox import Mail, Outbox, Posted, Waiting
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByUser
from admit.issuer.storage import Steps
from admit.issuer.throttle import bucket, take

TOLD_EVERY = timedelta(hours=1)


def add(
    token: str, purpose: Purpose, user: User, *, email: str, email_shown: str, life: timedelta, now: float
) -> Steps[None]:
    """A new link for this account as it is now. Older ones stay good until they are too old, or one changes it."""
    yield store.INSERT(
        token_hash=rules.token_hash(token),
        purpose=purpose.value,
        user_id=user.id,
        email=email,
        email_shown=email_shown,
        credential_version=user.credential_version,
        created_at=now,
        expires_at=now + life.total_seconds(),
        spent_at=None,
    )


def spend(token_hash: bytes, purpose: Purpose, *, now: float) -> Steps[Link]:
    """The link, used up by this very statement.

    Raises:
        LinkError: used already, too old, for another purpose, or no link at all.
    """
    rows = yield store.SPEND(hash=token_hash, for_=purpose.value, now=now)
    if not rows:
        raise LinkError("no such link to use")
    return store.link_of(rows[0])


def owner(link: Link) -> Steps[User]:
    """The account that a link is for, held until COMMIT.

    Raises:
        LinkError: it is gone or disabled, or has another password or address since the link was made.
    """
    rows = yield store.LOCK_USER(user_id=link.user_id)
    user = accounts.user_of(rows[0]) if rows else None
    if user is None or user.is_disabled or not rules.still_meant(link, user):
        raise LinkError("the account has changed since the link was made")
    return user


def reset(
    lists: Lists,
    outbox: Outbox,
    token_hash: bytes,
    password_hash: str,
    *,
    purpose: Purpose,
    info: RequestInfo,
    now: float,
) -> Steps[User]:
    """A new password by a link, and the end of all that the old one had opened. Nobody is signed in by it.

    The address is proven thereby, if that is where the link was mailed to. Second factors stay, also where it was not
    proven before: whoever has only the mailbox never gets past them. Where a stranger made the account and set one up,
    nobody gets in until an operator takes it away.
    """
    link = yield from spend(token_hash, purpose, now=now)
    user = yield from owner(link)
    yield accounts.SET_PASSWORD(of_user=user.id, new_hash=password_hash, now=now)
    if rules.proves_address(link):
        yield store.SET_VERIFIED(of_user=user.id, now=now)
    ended = yield from end_what_was_open(lists, user, now=now)
    by = "mailed link" if link.purpose is Purpose.RESET else "handed link"
    detail: dict[str, Detail] = {"change": "password", "by": by, "ended": ended}
    yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user.id, detail=detail)
    told = Mail(kind="password_changed", user_id=user.id, to=user.email_shown, locale=user.locale)
    yield from outbox.post(told, now=now)
    return user


def hand_over(
    lists: Lists,
    token: str,
    user_id: str,
    *,
    void: str | None,
    life: timedelta,
    info: RequestInfo,
    now: float,
) -> Steps[int]:
    """A link for an operator to hand over; how many sessions and grants ended. `void`: the hash of no password, which
    takes the old one's place at once and ends all that it had opened.

    Raises:
        UserNotFoundError: there is no such user. AccountElsewhereError: an application has the password, and would take
        the old one still. LinkError: the account is disabled, no link would hold.
    """
    rows = yield store.LOCK_USER(user_id=user_id)
    if not rows:
        raise UserNotFoundError("removed meanwhile")
    user = accounts.user_of(rows[0])
    if user.is_elsewhere:
        raise AccountElsewhereError("an application keeps the account")
    if user.is_disabled:
        raise LinkError("the account is disabled")
    ended = 0
    if void is not None:
        yield accounts.SET_PASSWORD(of_user=user.id, new_hash=void, now=now)
        user = replace(user, credential_version=user.credential_version + 1)
        ended = yield from end_what_was_open(lists, user, now=now)
        detail: dict[str, Detail] = {"change": "password taken away", "ended": ended}
        yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user.id, detail=detail)
    yield from add(
        token, Purpose.HANDED, user, email=user.email, email_shown=user.email_shown, life=life, now=now
    )
    yield record(AuditEvent.RESET_ASKED, info=info, now=now, user_id=user.id, detail={"link": "handed over"})
    return ended


def end_what_was_open(lists: Lists, user: User, *, now: float) -> Steps[int]:
    """End every session and every grant of the account; how many."""
    return (yield from revocation.end(lists, ByUser(user.id), reason="password reset", now=now))


def verify(token_hash: bytes, user_id: str, *, info: RequestInfo, now: float) -> Steps[User]:
    """The account's address is proven, by somebody who proved to be its owner as well.

    Raises:
        LinkError: not a link that holds, or another account's.
    """
    link = yield from spend(token_hash, Purpose.VERIFY, now=now)
    user = yield from owner(link)
    if user.id != user_id:
        raise LinkError("another account's link")
    yield store.SET_VERIFIED(of_user=user.id, now=now)
    detail: dict[str, Detail] = {"change": "email verified"}
    yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user.id, detail=detail)
    return user


def change_email(
    outbox: Outbox, token_hash: bytes, user_id: str, *, info: RequestInfo, now: float
) -> Steps[User]:
    """The new address takes the place of the old one, which is told. Every older link dies.

    Raises:
        LinkError: not a link that holds, or another account's. ConflictError: the address was taken meanwhile.
    """
    link = yield from spend(token_hash, Purpose.CHANGE, now=now)
    user = yield from owner(link)
    if user.id != user_id:
        raise LinkError("another account's link")
    yield store.CHANGE_EMAIL(of_user=user.id, new_email=link.email, new_shown=link.email_shown, now=now)
    detail: dict[str, Detail] = {"change": "email"}
    yield record(AuditEvent.USER_CHANGED, info=info, now=now, user_id=user.id, detail=detail)
    told = Mail(kind="email_changed", user_id=user.id, to=user.email_shown, locale=user.locale)
    yield from outbox.post(told, now=now)
    return user


def offer_verification(
    outbox: Outbox, issuer: str, user: User, token: str, *, life: timedelta, now: float
) -> Steps[None]:
    """Mail a link that proves the account's own address."""
    link = rules.address_of(issuer, Purpose.VERIFY, token, user.locale)
    mail = Mail(
        kind="verify_email", user_id=user.id, to=user.email_shown, locale=user.locale,
        data={"link": link}, life=life,
    )  # fmt: skip
    if (
        yield from outbox.post(mail, now=now)
    ) is Posted.QUEUED:  # a link that nobody gets is a row for nothing
        yield from add(
            token, Purpose.VERIFY, user, email=user.email, email_shown=user.email_shown, life=life, now=now
        )


def offer_change(
    outbox: Outbox,
    issuer: str,
    user: User,
    token: str,
    *,
    email: str,
    email_shown: str,
    life: timedelta,
    now: float,
) -> Steps[None]:
    """Mail a link to a new address; where that is somebody's already, tell its owner instead."""
    rows = yield accounts.USER_BY_EMAIL(email=email)
    if rows:
        yield from tell_owner(outbox, accounts.user_of(rows[0]), now=now)
        return
    link = rules.address_of(issuer, Purpose.CHANGE, token, user.locale)
    mail = Mail(
        kind="confirm_new_email", user_id=user.id, to=email_shown, locale=user.locale,
        data={"link": link}, life=life,
    )  # fmt: skip
    if (yield from outbox.post(mail, now=now)) is Posted.QUEUED:
        yield from add(token, Purpose.CHANGE, user, email=email, email_shown=email_shown, life=life, now=now)


def tell_owner(outbox: Outbox, user: User, *, now: float) -> Steps[None]:
    """Somebody wanted an account, or an address, that this person has."""
    mail = Mail(kind="already_registered", user_id=user.id, to=user.email_shown, locale=user.locale)
    yield from outbox.post(mail, now=now)


def tell_owner_of(outbox: Outbox, email: str, *, now: float) -> Steps[None]:
    """As `tell_owner`, of the account with this canonical address."""
    rows = yield accounts.USER_BY_EMAIL(email=email)
    if rows:
        yield from tell_owner(outbox, accounts.user_of(rows[0]), now=now)


def ask_reset(
    outbox: Outbox, email: str, *, locale: str | None, life: timedelta, info: RequestInfo, now: float
) -> Steps[None]:
    """Keep the wish for a link: whose address it is, if anybody's, is looked up by who sends the mails.

    So a known and an unknown address cost the very same statements, and the answer to both is given at the same time.
    """
    data = {"ip": info.ip or "", "request_id": info.request_id or ""}
    mail = Mail(kind="reset_password", user_id=None, to=email, locale=locale, data=data, life=life)
    yield from outbox.post(mail, now=now)


def answer_reset(
    outbox: Outbox, issuer: str, waiting: Waiting, token: str, email: str, *, life: timedelta, now: float
) -> Steps[Mail | None]:
    """Make the link that somebody wished for, and the mail with it, to the address as it is stored. None: nobody's."""
    rows = yield accounts.USER_BY_EMAIL(email=email)
    user = accounts.user_of(rows[0]) if rows else None
    if user is None or user.is_disabled:
        return None
    asked = waiting.mail
    mail = Mail(
        kind="reset_password",
        user_id=user.id,
        to=user.email_shown,
        locale=user.locale or asked.locale,
        data={"link": rules.address_of(issuer, Purpose.RESET, token, user.locale or asked.locale)},
    )
    if not (yield from outbox.complete(waiting, mail)):
        return None  # another worker's now
    yield from add(
        token, Purpose.RESET, user, email=user.email, email_shown=user.email_shown, life=life, now=now
    )
    info = RequestInfo(ip=asked.data.get("ip") or None, request_id=asked.data.get("request_id") or None)
    yield record(AuditEvent.RESET_ASKED, info=info, now=now, user_id=user.id)
    return mail


def note_refused(token_hash: bytes, *, info: RequestInfo, now: float) -> Steps[None]:
    """The record that a link was refused: one an hour and link, and none of what never was a link."""
    rows = yield store.FIND(hash=token_hash)
    if not rows:
        return
    name = bucket("link-refused", token_hash.hex())
    if (yield from take(bucket=name, limit=1, window=TOLD_EVERY, now=now)).allowed:
        yield record(
            AuditEvent.LINK_REFUSED,
            outcome=Outcome.REFUSED,
            info=info,
            now=now,
            user_id=rows[0]["user_id"],
            detail={"purpose": rows[0]["purpose"]},
        )


def refuse_unverified(welcome: Welcome, user: User, *, info: RequestInfo, now: float) -> Steps[None]:
    """The record of a sign-in that waits for the proof of an address, and one more link for that."""
    yield record(
        AuditEvent.LOGIN_FAILED,
        outcome=Outcome.REFUSED,
        info=info,
        now=now,
        user_id=user.id,
        detail={"reason": "address not proven"},
    )
    yield from welcome(user, now)
