"""The transactions of sessions: each writes its audit record along with what it tells."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from admit.errors import SessionError
from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.audit.rules import Detail, cut
from admit.issuer.outbox import NO_MAIL, Mail, Outbox
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByNode, BySession, ByUser, ByUserSessions, EndStart, NodeKind
from admit.issuer.sessions import rules, store
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.records import Ended, Session
from admit.issuer.storage import Bound, Steps

Along: TypeAlias = Callable[[Session], Steps[None]]
"""What is written along with a session that begins, in its transaction: all of it or nothing, by one COMMIT."""


def alone(session: Session) -> Steps[None]:
    """Nothing."""
    yield from ()


def start(
    lists: Lists,
    config: SessionConfig,
    user: User,
    *,
    id_hash: bytes,
    replaces: bytes | None,
    auth_time: float,
    acr: str,
    amr: tuple[str, ...],
    info: RequestInfo,
    now: float,
    familiar: bool | None = None,
    outbox: Outbox = NO_MAIL,
    along: Along = alone,
) -> Steps[Session | None]:
    """A new session, and the end of the one that the browser had before. None: the user was disabled meanwhile.

    `familiar`: whether the browser is known to be this user's; None: told by the sign-ins before. An unknown one is
    marked, and told to the user by mail.

    Raises:
        SessionError: the password was changed meanwhile; nothing is begun.
    """
    absolute = now + rules.limits_of(user.roles, rules.limits(config)).absolute.total_seconds()
    opened = yield from revocation.open_node(
        kind=NodeKind.SESSION, parent_id=None, user_id=user.id, client_id=None, expires_at=absolute, now=now
    )
    # Holders are locked before nodes, here as in every end, so that nobody waits crosswise.
    if replaces is not None:
        yield from end_replaced(lists, replaces, info=info, now=now)
    if opened is None:
        return None
    known = familiar if familiar is not None else (yield from is_familiar(user, opened.id, info, now))
    yield store.INSERT(
        node_id=opened.id,
        id_hash=id_hash,
        user_id=user.id,
        auth_time=auth_time,
        acr=acr,
        amr=" ".join(amr),
        created_at=now,
        last_seen_at=now,
        absolute_expires_at=absolute,
        user_agent=cut(info.user_agent) or "",
        ip=cut(info.ip) or "",
        name=None,
        unfamiliar=0 if known else 1,
    )
    yield record(
        AuditEvent.LOGIN_SUCCEEDED,
        info=info,
        now=now,
        user_id=user.id,
        session_id=opened.id,
        detail={"acr": acr},
    )
    rows = yield store.FIND(id_hash=id_hash)
    session = store.session_of(rows[0], config)[0]
    # The user's holder is shared since the node was opened: a new password is either seen here, or ends this session.
    if not rules.same_credentials(checked=user.credential_version, current=session.user.credential_version):
        raise SessionError("the password was changed while signing in")
    yield from end_surplus(lists, config, user.id, now=now)
    if not known:
        yield from tell_sign_in(outbox, session.user, info, now)
    yield from along(session)
    return session


def is_familiar(user: User, session_id: str, info: RequestInfo, now: float) -> Steps[bool]:
    """Whether the user signed in from such a browser and network not long ago."""
    since = now - rules.KNOWN_FOR.total_seconds()
    rows = yield store.PLACES(user_id=user.id, but=session_id, since=since)
    seen = [(row["user_agent"], row["ip"]) for row in rows]
    return rules.is_familiar(info.user_agent, info.ip, seen, account_age=now - user.created_at)


def tell_sign_in(outbox: Outbox, user: User, info: RequestInfo, now: float) -> Steps[None]:
    """A mail that somebody signed in. Only to an address that is known to be the user's: another's owner is not told
    from where people sign in.
    """
    if user.email_verified_at is not None:
        data = {"user_agent": cut(info.user_agent) or "", "ip": cut(info.ip) or ""}
        mail = Mail(kind="signed_in", user_id=user.id, to=user.email_shown, locale=user.locale, data=data)
        yield from outbox.post(mail, now=now)


def end_surplus(lists: Lists, config: SessionConfig, user_id: str, *, now: float) -> Steps[None]:
    """End the sessions beyond `per_user`, so that neither a script that signs in again and again nor a person who never
    signs out fills the table. The one used longest ago goes first.
    """
    idle_before = now - config.idle.total_seconds()
    rows = yield store.SURPLUS(user_id=user_id, now=now, idle_before=idle_before, keep=config.per_user)
    for row in sorted(rows, key=lambda row: int(row["idx"])):
        yield from _end_one(
            lists, ByNode(row["node_id"]), user_id, reason="too many sessions", info=RequestInfo(), now=now
        )


def rename(session_id: str, user_id: str, name: str | None, *, info: RequestInfo, now: float) -> Steps[bool]:
    """Call one session of this user's by a name. False: not this user's, or over."""
    if not (yield store.rename_own(session_id, user_id, name)):
        return False
    yield record(AuditEvent.SESSION_NAMED, info=info, now=now, user_id=user_id, session_id=session_id)
    return True


def vouch(session_id: str, user_id: str, witness: str, *, info: RequestInfo, now: float) -> Steps[bool]:
    """The user says of a session that it is theirs, in the session `witness`. False: there is nothing to say that of,
    or the witness is not known itself.
    """
    if not (yield store.vouch_for(session_id, user_id, witness)):
        return False
    yield record(
        AuditEvent.SESSION_VOUCHED,
        info=info,
        now=now,
        user_id=user_id,
        session_id=session_id,
        detail={"by": witness},
    )
    return True


def end_replaced(lists: Lists, id_hash: bytes, *, info: RequestInfo, now: float) -> Steps[None]:
    """End the session whose cookie the browser came with: planted or not, it is good for nothing after a sign-in."""
    rows = yield store.BY_HASH(id_hash=id_hash)
    if rows:
        session_id, user_id = rows[0]["node_id"], rows[0]["user_id"]
        yield from _end_one(lists, ByNode(session_id), user_id, reason="replaced", info=info, now=now)


def renew(
    config: SessionConfig,
    user: User,
    *,
    old_hash: bytes,
    new_hash: bytes,
    acr: str,
    amr: tuple[str, ...],
    info: RequestInfo,
    now: float,
    along: Along = alone,
) -> Steps[Session | None]:
    """The same session under a new id; the old one is worth nothing from here. None: it is over, or another's.

    Raises:
        SessionError: the credentials were changed since they were checked; nothing is done.
    """
    rows = yield store.RENEW(
        old_hash=old_hash, new_hash=new_hash, of_user=user.id, new_acr=acr, new_amr=" ".join(amr), now=now
    )
    if not rows or (yield from revocation.lock_node(rows[0]["node_id"], now=now)) is None:
        return None
    session_id = rows[0]["node_id"]
    detail: dict[str, Detail] = {"acr": acr, "renewed": True}
    yield record(
        AuditEvent.LOGIN_SUCCEEDED, info=info, now=now, user_id=user.id, session_id=session_id, detail=detail
    )
    rows = yield store.FIND(id_hash=new_hash)
    session = store.session_of(rows[0], config)[0]
    # One session outlives a change of the password: the one in which it was made.
    if not rules.same_credentials(checked=user.credential_version, current=session.user.credential_version):
        raise SessionError("the credentials were changed while signing in")
    yield from along(session)
    return session


def end(
    lists: Lists,
    session_id: str,
    user_id: str,
    *,
    event: AuditEvent,
    reason: str,
    info: RequestInfo,
    now: float,
) -> Steps[bool]:
    """End one session of this user's and all that hangs from it. False: not this user's, or over already."""
    start = owned(session_id, user_id)
    return (yield from _end_one(lists, start, user_id, event=event, reason=reason, info=info, now=now))


def owned(session_id: str, user_id: str) -> ByNode | BySession:
    """That session if it is this user's: a public id is no permission."""
    return BySession(session_id, user_id)


def end_whosever(lists: Lists, session_id: str, *, reason: str, info: RequestInfo, now: float) -> Steps[bool]:
    """End a session whoever's it is: for operators. False: no such session, or over already."""
    rows = yield store.OWNER(session_id=session_id)
    if not rows:
        return False
    return (
        yield from _end_one(lists, ByNode(session_id), rows[0]["user_id"], reason=reason, info=info, now=now)
    )


def end_all(
    lists: Lists,
    user_id: str,
    *,
    offline: bool,
    keep: str | None,
    reason: str,
    info: RequestInfo,
    now: float,
    outbox: Outbox = NO_MAIL,
) -> Steps[Ended]:
    """End every session of this user's but `keep`; with `offline` also the grants that would outlive them, and the user
    is told by mail: whoever did it, there is no page left that could tell.
    """
    start: EndStart = ByUser(user_id) if offline else ByUserSessions(user_id, keep)
    # Held first, so that nothing is begun between what is told and what is ended.
    yield from revocation.hold_start(start, now)
    roots = yield store.ROOTS(user_id=user_id, now=now)
    sessions = [row for row in roots if row["kind"] == NodeKind.SESSION.value and row["id"] != keep]
    grants = [row for row in roots if row["kind"] != NodeKind.SESSION.value] if offline else []
    yield from revocation.end(lists, start, reason=reason, now=now)
    detail: dict[str, Detail] = {"reason": reason}
    for row in sessions:
        yield record(
            AuditEvent.SESSION_ENDED, info=info, now=now, user_id=user_id, session_id=row["id"], detail=detail
        )
    for row in grants:
        yield record(
            AuditEvent.GRANT_ENDED,
            info=info,
            now=now,
            user_id=user_id,
            client_id=row["client_id"],
            detail={**detail, "grant": row["id"]},
        )
    ended = Ended(sessions=len(sessions), grants=len(grants))
    if offline and ended.total:
        yield from tell_ended(outbox, user_id, now)
    return ended


def tell_ended(outbox: Outbox, user_id: str, now: float) -> Steps[None]:
    """A mail that everything was ended, to an address that is known to be the user's."""
    rows = yield accounts.USER_BY_ID(user_id=user_id)
    user = accounts.user_of(rows[0]) if rows else None
    if user is not None and user.email_verified_at is not None:
        mail = Mail(kind="sessions_ended", user_id=user.id, to=user.email_shown, locale=user.locale)
        yield from outbox.post(mail, now=now)


def end_idle(lists: Lists, config: SessionConfig, *, now: float, ids: Sequence[str]) -> Steps[int]:
    """End those of these sessions that were idle too long, so that what hangs from them ends too; how many."""
    ended = 0
    for row in (yield store.IDLE(ids=ids, **store.idle_bounds(config, now))):
        ended += yield from _end_one(
            lists, ByNode(row["node_id"]), row["user_id"],
            reason="idle", info=RequestInfo(), now=now, lapsed=True,
        )  # fmt: skip
    return ended


def _end_one(
    lists: Lists,
    session: ByNode | BySession,
    user_id: str,
    *,
    event: AuditEvent = AuditEvent.SESSION_ENDED,
    reason: str,
    info: RequestInfo,
    now: float,
    lapsed: bool = False,
) -> Steps[bool]:
    """False: nothing was ended. Somebody else was first, and has told it."""

    def told(ended: int) -> Bound:
        detail: dict[str, Detail] = {"reason": reason, "ended": ended}
        return record(event, info=info, now=now, user_id=user_id, session_id=session.id, detail=detail)

    return (yield from revocation.end(lists, session, reason=reason, now=now, told=told, lapsed=lapsed)) > 0
