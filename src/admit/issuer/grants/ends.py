"""Ending grants: one, all that a user gave a client, all of a client, and one on its client's word, RFC 7009. Each is
told in the transaction that does it.
"""

from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import Detail
from admit.issuer.grants.keys import RefreshKeys
from admit.issuer.grants.records import Family
from admit.issuer.grants.refresh_token import RefreshToken
from admit.issuer.grants.refreshing import load, note
from admit.issuer.grants.store import codes
from admit.issuer.grants.store import families as store
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByClient, ByNode
from admit.issuer.revocation.store import logins
from admit.issuer.storage import Bound, Row, Steps


def end(
    lists: Lists, family: str, user_id: str, *, reason: str, info: RequestInfo, now: float
) -> Steps[bool]:
    """End one grant of this user's. False: not this user's, or over already."""
    row = yield from owned(family, user_id)
    if row is None:
        return False
    told = _ended(family, user_id, row["client_id"], row["session_id"], reason, info=info, now=now)
    return (yield from _end_one(lists, family, told, reason, now)) > 0


def owned(family: str, user_id: str) -> Steps[Row | None]:
    """The live grant, if it is this user's: an id is no permission."""
    rows = yield store.OWNED(family=family, user_id=user_id)
    return rows[0] if rows else None


def end_whosever(lists: Lists, family: str, *, reason: str, info: RequestInfo, now: float) -> Steps[bool]:
    """End one grant whoever's it is: for operators. False: no such grant, or over already."""
    rows = yield store.FIND(family=family)
    if not rows:
        return False
    row = rows[0]
    told = _ended(family, row["user_id"], row["client_id"], row["session_id"], reason, info=info, now=now)
    return (yield from _end_one(lists, family, told, reason, now)) > 0


def end_of_user_and_client(
    lists: Lists, user_id: str, client_id: str, *, reason: str, info: RequestInfo, now: float
) -> Steps[int]:
    """End every grant that this user gave this client, and void the codes on their way; how many grants."""
    yield codes.VOID_OF_USER_AND_CLIENT(of_client=client_id, of_user=user_id, now=now)
    yield logins.OVER_OF_USER_AND_CLIENT(of_user=user_id, of_client=client_id, now=now)
    count = 0
    for row in (yield store.OF_USER_AND_CLIENT(user_id=user_id, client_id=client_id)):
        told = _ended(row["node_id"], user_id, client_id, row["session_id"], reason, info=info, now=now)
        if (yield from _end_one(lists, row["node_id"], told, reason, now)):
            count += 1
    return count


def end_of_client(
    lists: Lists, client_id: str, *, before: int = 0, reason: str, info: RequestInfo, now: float
) -> Steps[int]:
    """End every grant of this client, whoever gave it, and void the codes on their way; how many grants, with those
    that were ended just `before`.
    """
    yield codes.VOID_OF_CLIENT(of_client=client_id, now=now)
    yield logins.OVER_OF_CLIENT(of_client=client_id, now=now)
    ended = yield from revocation.end(lists, ByClient(client_id), reason=reason, now=now)
    yield of_client_ended(client_id, ended, before, reason=reason, info=info, now=now)
    return before + ended


def of_client_ended(
    client_id: str, ended: int, before: int = 0, *, reason: str, info: RequestInfo, now: float
) -> Bound:
    """The audit record of a client's grants that were ended, and of the last of them how many it were in all."""
    detail: dict[str, Detail] = {"reason": reason, "ended": ended}
    if before:
        detail["in_all"] = before + ended
    return record(AuditEvent.CLIENT_GRANTS_ENDED, info=info, now=now, client_id=client_id, detail=detail)


def revoke(
    lists: Lists, keys: RefreshKeys, token: RefreshToken, *, client_id: str, info: RequestInfo, now: float
) -> Steps[bool]:
    """End the family of a token that we wrote for this client, of whatever generation."""
    stored = yield from load(token.family)
    if stored is None or not keys.is_genuine(token, stored):
        return False
    return (yield from end_for_client(lists, stored.id, client_id=client_id, info=info, now=now))


def end_for_client(
    lists: Lists, family_id: str, *, client_id: str, info: RequestInfo, now: float
) -> Steps[bool]:
    """End the client's own family on its word."""
    stored = yield from load(family_id)
    if stored is None or not is_its_own(stored, client_id):
        return False
    if not (yield from revocation.end(lists, ByNode(stored.id), reason="revoked by its client", now=now)):
        return False
    yield note(AuditEvent.TOKEN_REVOKED, stored, Outcome.DONE, info=info, now=now)
    return True


def is_its_own(stored: Family, client_id: str) -> bool:
    """Whether the family was granted to this client, RFC 7009 §2.1."""
    return stored.client_id == client_id


def _end_one(lists: Lists, family: str, told: Bound, reason: str, now: float) -> Steps[int]:
    """How many families it was; `told` is written unless it was none."""
    return revocation.end(lists, ByNode(family), reason=reason, now=now, told=lambda _: told)


def _ended(
    family: str,
    user_id: str | None,
    client_id: str,
    session_id: str | None,
    reason: str,
    *,
    info: RequestInfo,
    now: float,
) -> Bound:
    return record(
        AuditEvent.GRANT_ENDED,
        info=info,
        now=now,
        user_id=user_id,
        client_id=client_id,
        session_id=session_id,
        detail={"reason": reason, "grant": family},
    )
