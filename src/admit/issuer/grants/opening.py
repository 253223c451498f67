"""Opening a grant's family, within a limit for each session and client."""

import hashlib
import secrets

from admit.issuer.audit import AuditEvent, record
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.records import Authorization, Family
from admit.issuer.grants.store import families as store
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByNode, NodeKind
from admit.issuer.storage import Steps

SALT_BYTES = 16


def open_family(
    lists: Lists, config: GrantsConfig, authorization: Authorization, *, jkt: str | None, now: float
) -> Steps[Family | None]:
    """A grant's node and family; the oldest of its session and client end when there are too many.

    None: the session ended, or the user or client was disabled.
    """
    offline = authorization.offline
    yield store.ONE_AT_A_TIME(key=_lock_key(authorization))
    if offline and not (yield from _may_outlive(authorization, now)):
        return None
    opened = yield from revocation.open_node(
        kind=NodeKind.OFFLINE if offline else NodeKind.ONLINE,
        parent_id=None if offline else authorization.session_id,
        user_id=authorization.user_id,
        client_id=authorization.client_id,
        expires_at=now + config.refresh_absolute.total_seconds(),
        now=now,
    )
    if opened is None:
        return None
    family = family_for(
        authorization, id=opened.id, idx=opened.idx, expires_at=opened.expires_at, jkt=jkt, now=now
    )
    yield store.INSERT(**store.parameters(family))
    yield from _end_surplus(lists, config, authorization, now=now)
    return family


def family_for(
    authorization: Authorization, *, id: str, idx: int, expires_at: float, jkt: str | None, now: float
) -> Family:
    """The family of what was allowed, before anything is got for it."""
    return Family(
        id=id,
        idx=idx,
        client_id=authorization.client_id,
        user_id=authorization.user_id,
        session_id=authorization.session_id,
        scope=authorization.scope,
        audience=authorization.audience,
        auth_time=authorization.auth_time,
        acr=authorization.acr,
        amr=authorization.amr,
        created_at=now,
        expires_at=expires_at,
        generation=0,
        rotated_at=now,
        used_at=now,
        offline=authorization.offline,
        salt=secrets.token_bytes(SALT_BYTES),
        jkt=jkt,
        claims=authorization.claims,
    )


def _may_outlive(authorization: Authorization, now: float) -> Steps[bool]:
    """An offline grant does not hang from its session, but a code is worth nothing after logout all the same.

    The user is held before the session is looked at: an end of all that the user has is either seen here, or sees the
    grant. Looked at first, the session would still seem alive while such an end waits for its COMMIT.
    """
    if not (yield from revocation.share_user(authorization.user_id)):
        return False
    return bool((yield revocation.SELECT_NODE(node_id=authorization.session_id, now=now)))


def _lock_key(authorization: Authorization) -> int:
    name = f"{authorization.session_id}\0{authorization.client_id}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)


def _end_surplus(
    lists: Lists, config: GrantsConfig, authorization: Authorization, *, now: float
) -> Steps[None]:
    session_id, client_id = authorization.session_id, authorization.client_id
    rows = yield store.SURPLUS(session_id=session_id, client_id=client_id, keep=config.live_grants, now=now)
    for row in rows:
        ended = yield from revocation.end(lists, ByNode(row["node_id"]), reason="too many grants", now=now)
        yield record(
            AuditEvent.GRANT_ENDED,
            now=now,
            user_id=row["user_id"],
            client_id=client_id,
            session_id=session_id,
            detail={"reason": "too many grants", "grant": row["node_id"], "ended": ended},
        )
