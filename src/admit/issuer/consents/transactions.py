"""The steps of remembered consents: each belongs into the transaction of what goes with it."""

from admit.issuer.accounts.records import User
from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.clients import store as client_store
from admit.issuer.clients import transactions as clients
from admit.issuer.clients.records import Client
from admit.issuer.consents import rules, store
from admit.issuer.consents.records import Answer, Remembered
from admit.issuer.grants import ends
from admit.issuer.grants.store import families
from admit.issuer.outbox import Mail, Outbox
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Steps


def remember(user_id: str, client_id: str, audience: str, answer: Answer, *, now: float) -> Steps[bool]:
    """Keep an answer, in the transaction of the code that it allows. Always true: nothing stands against it."""
    rows = yield store.LOCK(of_user=user_id, of_client=client_id, at=audience)
    before = store.remembered_of(rows[0]) if rows else None
    given = rules.merged(before, answer, client_id=client_id, audience=audience, now=now)
    yield store.put(user_id, given)
    return True


def still(user_id: str, relied_on: Remembered) -> Steps[bool]:
    """Whether the yes that a code is issued on is the one that was read. Held until COMMIT: who takes it back has
    either done so before, or finds the code and voids it.
    """
    rows = yield store.HOLD(of_user=user_id, of_client=relied_on.client_id, at=relied_on.audience)
    return holds(store.remembered_of(rows[0]) if rows else None, relied_on)


def holds(found: Remembered | None, relied_on: Remembered) -> bool:
    """Whether what is there now still says all that was relied on."""
    return found is not None and found.granted >= relied_on.granted


MOST_LOOKED_AT = 500


def tell(
    user: User, client: Client, audience: str, granted: frozenset[str], *, outbox: Outbox, now: float
) -> Steps[None]:
    """A mail to who granted this, unless the client has as much already: who is asked each time is not told each time.
    To be the last of its transaction. A client that nobody here let in is not named: a stranger chose what it is
    called, and could write to people in our name. Only to an address that is known to be the user's: another's owner is
    not told what somebody lets in.
    """
    if user.email_verified_at is None:
        return
    rows = yield families.OF_USER(user_id=user.id, now=now, count=MOST_LOOKED_AT)
    live = map(families.family_of, rows)
    if any(rules.has_all(family, client.id, audience, granted) for family in live):
        return
    known = {"app": client.name} if client.trusted else {}
    mail = Mail(
        kind="app_allowed" if client.trusted else "unknown_app_allowed",
        user_id=user.id,
        to=user.email_shown,
        locale=user.locale,
        data=known,
    )
    yield from outbox.post(mail, now=now)


def take_back(
    lists: Lists, user_id: str, client_id: str, *, reason: str, info: RequestInfo, now: float
) -> Steps[tuple[int, int]]:
    """Forget what a user said yes to, and end all that the client was granted; how many answers and how many grants.

    The answers go first: a code that is being issued on one is waited for here, and voided right after.
    """
    forgotten = yield store.FORGET(of_user=user_id, of_client=client_id)
    ended = yield from ends.end_of_user_and_client(
        lists, user_id, client_id, reason=reason, info=info, now=now
    )
    if forgotten:
        detail: dict[str, Detail] = {"reason": reason, "ended": ended}
        yield record(
            AuditEvent.CONSENT_WITHDRAWN,
            info=info,
            now=now,
            user_id=user_id,
            client_id=client_id,
            detail=detail,
        )
    return len(forgotten), ended


def end_of_client(
    lists: Lists, client_id: str, *, before: int = 0, reason: str, info: RequestInfo, now: float
) -> Steps[int]:
    """End all that was granted to a client, and who said yes to it: everybody is asked again; how many grants, with
    those that were ended just `before`.
    """
    yield store.FORGET_OF_CLIENT(of_client=client_id)
    return (yield from ends.end_of_client(lists, client_id, before=before, reason=reason, info=info, now=now))


def remove_client(
    lists: Lists, client_id: str, *, before: int = 0, reason: str, info: RequestInfo, now: float
) -> Steps[int | None]:
    """Forget a client of the database and end all that was granted to it; how many grants, with those that were ended
    just `before`. None: no such client.
    """
    if not (yield from clients.remove(client_id, info=info, now=now)):
        return None
    return (yield from end_of_client(lists, client_id, before=before, reason=reason, info=info, now=now))


def is_registered(client_id: str, *, presented: bytes) -> Steps[bool]:
    """Whether the client's registration access token is good, which it then is until COMMIT."""
    return bool((yield client_store.HOLD_REGISTRATION(of=client_id, presented=presented)))


def remove_registered(
    lists: Lists,
    client_id: str,
    *,
    before: int = 0,
    presented: bytes,
    reason: str,
    info: RequestInfo,
    now: float,
) -> Steps[int | None]:
    """As `remove_client`, on the word of the client itself. None: its registration access token is spent by now."""
    if not (yield from clients.remove_registered(client_id, presented=presented, info=info, now=now)):
        return None
    return (yield from end_of_client(lists, client_id, before=before, reason=reason, info=info, now=now))
