"""`PushedRequests`: authorization requests that clients sent themselves, before the browser comes, RFC 9126.

The client gets a reference of 256 random bits, which is good for a minute, for the client that pushed it and for one
answer. It is spent with the answer (a code, or an error that the client is told), and not when a page is shown: a
person may load the page again, or open it twice, and of all that comes of it one thing reaches the client.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from admit.issuer.audit import RequestInfo
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.records import Pushed
from admit.issuer.grants.store import pushed as store
from admit.issuer.storage import Bound, Database, Steps, bound_once
from admit.issuer.throttle import take_in_network

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
WINDOW: Final = timedelta(minutes=1)


def new_reference() -> str:
    """A `request_uri` of 256 bits from the system's generator, RFC 9126 §2.2, §7.1."""
    return PREFIX + secrets.token_urlsafe(32)


def is_reference(request_uri: str) -> bool:
    """Whether this may be a reference of ours; everything else is somebody's address, and is left alone."""
    return request_uri.startswith(PREFIX)


def hash_reference(request_uri: str) -> bytes:
    """What is stored of a reference."""
    return hashlib.sha256(request_uri.encode("utf-8", "surrogatepass")).digest()


def keep(bound: Bound, config: GrantsConfig, info: RequestInfo, *, now: float) -> Steps[None]:
    """Keep a request, unless its network has pushed too many: each is a row for half an hour."""
    verdict = yield from take_in_network(
        kind="pushed", ip=info.ip, limit=config.pushed_per_network, window=WINDOW, now=now
    )
    verdict.or_throttled("pushed requests of one network")
    yield bound


def spending(reference_hash: bytes, now: float) -> Bound:
    """The statement that spends a reference: a row comes back to one caller only."""
    return store.SPEND(of_reference=reference_hash, now=now)


def spend(reference_hash: bytes | None, now: float) -> Steps[bool]:
    """Spend the reference of a request that was pushed; True for one that was not. False: it was spent before."""
    return reference_hash is None or bool((yield spending(reference_hash, now)))


class PushedRequests:
    """Keep, find and spend pushed requests. Another client's, an expired and a spent one are all unknown."""

    def __init__(self, db: Database, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._config = config or GrantsConfig()

    @property
    def lifetime(self) -> timedelta:
        """How long the browser has to come with a reference."""
        return self._config.pushed_lifetime

    async def keep(
        self,
        request_uri: str,
        request: Mapping[str, Any],
        *,
        client_id: str,
        info: RequestInfo,
        now: float,
    ) -> None:
        """Keep a request under a new reference. `request` is plain JSON.

        Raises:
            ThrottledError: the network has pushed as many as it may; nothing was kept.
        """
        bound = store.INSERT(
            reference_hash=hash_reference(request_uri),
            client_id=client_id,
            request=json.dumps(dict(request)),
            expires_at=now + self._config.pushed_lifetime.total_seconds(),
        )
        await self._db.run(keep, bound, self._config, info, now=now)

    async def find(self, request_uri: str, *, client_id: str, now: float) -> Pushed | None:
        """The request that this client pushed under this reference, still good."""
        row = await self._db.one(
            store.FIND(of_reference=hash_reference(request_uri), of_client=client_id, now=now)
        )
        return None if row is None else store.pushed_of(row)

    async def spend(self, reference_hash: bytes, now: float) -> bool:
        """Spend it, for an answer that no other transaction writes. False: it was spent before."""
        return bool(await self._db.run(bound_once, spending(reference_hash, now)))
