"""`Interactions`: an authorization request that waits for a person, kept on the server, bound to one browser.

The browser holds a handle and, in a cookie, its binding secret. Neither carries a word of the request, so that nothing
in a form or another tab can change it.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.grants import pushed
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.records import Interaction
from admit.issuer.grants.store import interactions as store
from admit.issuer.storage import Bound, Database, Steps, bound_once
from admit.issuer.throttle import Verdict, take_in_network

MIN_BINDING_BYTES = 16


def hash_handle(handle: str) -> bytes:
    """What is stored of a handle."""
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).digest()


def hash_binding(binding: bytes) -> bytes:
    """What is stored of a browser's secret: not what is stored of a session's id, should they be the same bytes.

    Raises:
        ValueError: fewer than 16 bytes.
    """
    if len(binding) < MIN_BINDING_BYTES:
        raise ValueError("a binding secret has at least 16 bytes")
    return hashlib.sha256(b"admit-interaction\0" + binding).digest()


def begin(bound: Bound, config: GrantsConfig, info: RequestInfo | None, *, now: float) -> Steps[None]:
    """Keep a request, unless its network has begun too many. Anybody may begin one, and each is a row until it is too
    old, so that their number is bounded as well as their size.
    """
    if info is not None:
        verdict = yield from take_in_network(
            kind="interaction",
            ip=info.ip,
            limit=config.waiting_per_network,
            window=config.interaction_lifetime,
            now=now,
        )
        check_room(verdict)
    yield bound


def check_room(verdict: Verdict) -> None:
    """Raises: ThrottledError where a network has no room for one more request that waits."""
    verdict.or_throttled("requests of one network")


def finish(handle: str, binding: bytes, now: float) -> Bound:
    """The statement that ends an interaction once: a row comes back to one caller only."""
    return store.FINISH(of_id=hash_handle(handle), of_browser=hash_binding(binding), now=now)


def refuse(
    handle: str,
    binding: bytes,
    user_id: str,
    session_id: str,
    *,
    reference: bytes | None,
    info: RequestInfo,
    now: float,
) -> Steps[Interaction | None]:
    """The end of an interaction by a no, and the record of it. None: it was not open."""
    rows = yield finish(handle, binding, now)
    if not rows or not (yield from pushed.spend(reference, now)):
        return None
    refused = store.interaction_of(rows[0])
    yield record(
        AuditEvent.CONSENT_REFUSED,
        outcome=Outcome.REFUSED,
        info=info,
        now=now,
        user_id=user_id,
        client_id=refused.client_id,
        session_id=session_id,
    )
    return refused


def noting(handle: str, binding: bytes, session_id: str, now: float) -> Bound:
    """`Interactions.note_session`, for the transaction of the session itself."""
    return store.NOTE_SESSION(
        of_id=hash_handle(handle), of_browser=hash_binding(binding), of_session=session_id, now=now
    )


class Interactions:
    """Begin, read and finish interactions. Another browser's, an expired and a finished one are all unknown."""

    def __init__(self, db: Database, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._config = config or GrantsConfig()

    async def begin(
        self,
        *,
        client_id: str,
        request: Mapping[str, Any],
        binding: bytes,
        now: float,
        session_id: str | None = None,
        info: RequestInfo | None = None,
    ) -> str:
        """Keep a request and return its handle. `binding` is the browser's own secret; `request` is plain JSON.

        Raises:
            ThrottledError: `info` is of a network that has begun as many as may wait; nothing was kept.
        """
        handle = secrets.token_urlsafe(32)
        bound = store.INSERT(
            id_hash=hash_handle(handle),
            binding_hash=hash_binding(binding),
            request=json.dumps(dict(request)),
            client_id=client_id,
            created_at=now,
            expires_at=now + self._config.interaction_lifetime.total_seconds(),
            session_id=session_id,
        )
        await self._db.run(begin, bound, self._config, info, now=now)
        return handle

    async def get(self, handle: str, binding: bytes, now: float) -> Interaction | None:
        """The open interaction of this browser."""
        bound = store.FIND(of_id=hash_handle(handle), of_browser=hash_binding(binding), now=now)
        row = await self._db.one(bound)
        return None if row is None else store.interaction_of(row)

    async def note_session(self, handle: str, binding: bytes, session_id: str, now: float) -> bool:
        """Note the session that the person began in the course of it. False: unknown."""
        return bool(await self._db.run(bound_once, noting(handle, binding, session_id, now)))

    async def finish(self, handle: str, binding: bytes, now: float) -> Interaction | None:
        """End it; the interaction for the first who asks, None for all others."""
        rows = await self._db.run(bound_once, finish(handle, binding, now))
        return store.interaction_of(rows[0]) if rows else None

    async def refuse(
        self,
        handle: str,
        binding: bytes,
        *,
        user_id: str,
        session_id: str,
        info: RequestInfo,
        now: float,
        reference: bytes | None = None,
    ) -> Interaction | None:
        """The person said no: end it, once, with the `reference` that it was pushed under, and tell the audit. None: it
        was not open.
        """
        return await self._db.run(
            refuse, handle, binding, user_id, session_id, reference=reference, info=info, now=now
        )
