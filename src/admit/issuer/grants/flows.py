"""`SignInFlows`: sign-ins by JSON, step by step, in clients that settings allow it.

A client holds a handle of 256 random bits, good for one step: each step spends it, and the answer has the next. The
flow is bound to the client that began it, to the request that it began with (the PKCE challenge among it, which nothing
can change later), and where a browser began it for a session of its own, to that browser. It names nobody: whose
password was right is known to the sign-in that waits for a second factor, and to nothing else.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from admit.issuer.audit import RequestInfo
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.interactions import hash_binding
from admit.issuer.grants.records import SignInFlow
from admit.issuer.grants.store import flows as store
from admit.issuer.storage import Bound, Database, Row, Steps, bound_once
from admit.issuer.throttle import take_in_network

_NO_BROWSER: Final = b""


def new_handle() -> str:
    """256 bits from the system's generator."""
    return secrets.token_urlsafe(32)


def hash_handle(handle: str) -> bytes:
    """What is stored of a handle."""
    return hashlib.sha256(b"admit-sign-in-flow\0" + handle.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Step:
    """The step that a caller has won, and the handle that is good after it; nobody was told that one yet."""

    flow: SignInFlow
    handle: str

    def __repr__(self) -> str:
        return "Step(...)"


def keep(bound: Bound, config: GrantsConfig, info: RequestInfo | None, *, now: float) -> Steps[None]:
    """Keep a flow, unless its network has begun too many: anybody may begin one in the name of a public client."""
    if info is not None:
        verdict = yield from take_in_network(
            kind="sign-in-flow",
            ip=info.ip,
            limit=config.waiting_per_network,
            window=config.sign_in_lifetime,
            now=now,
        )
        verdict.or_throttled("sign-ins of one network")
    yield bound


def advance(
    handle: str, next_handle: str, *, client_id: str, browser: bytes, waits: bool, now: float
) -> Steps[Row | None]:
    """Spend a handle in one statement that only one caller wins. `waits`: the password was shown before, and a second
    factor is wanted; a flow that is not there yet, or no longer, is not advanced.
    """
    statement = store.ADVANCE_TO_CODE if waits else store.ADVANCE_TO_PASSWORD
    rows = yield statement(
        of_flow=hash_handle(handle),
        of_client=client_id,
        of_browser=browser,
        next_hash=hash_handle(next_handle),
        now=now,
    )
    return rows[0] if rows else None


def wait(handle: str, sign_in: bytes, now: float) -> Steps[bool]:
    """The password was right, and a second factor has to follow: from here no password is taken any more."""
    return bool((yield store.WAIT(of_flow=hash_handle(handle), sign_in=sign_in, now=now)))


def finish(handle: str, now: float) -> Steps[bool]:
    """The end of a flow, for the transaction of what it led to. False: it was not open."""
    return bool((yield store.FINISH(of_flow=hash_handle(handle), now=now)))


class SignInFlows:
    """Begin and advance flows. Another client's, another browser's, an expired and a spent one are all unknown."""

    def __init__(self, db: Database, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._config = config or GrantsConfig()

    async def begin(
        self,
        request: Mapping[str, Any],
        *,
        client_id: str,
        binding: bytes | None,
        info: RequestInfo | None,
        now: float,
    ) -> tuple[str, float]:
        """Keep a request, which is plain JSON; the first handle, and when the flow is over. `binding` is the secret of
        the browser that is to have a session; `info` is None for a client that has proved itself.

        Raises:
            ThrottledError: the network has begun as many as it may; nothing was kept.
        """
        handle = new_handle()
        expires_at = now + self._config.sign_in_lifetime.total_seconds()
        bound = store.INSERT(
            id_hash=hash_handle(handle),
            client_id=client_id,
            binding_hash=hash_binding(binding) if binding is not None else None,
            request=json.dumps(dict(request)),
            expires_at=expires_at,
        )
        await self._db.run(keep, bound, self._config, info, now=now)
        return handle, expires_at

    async def advance(
        self, handle: str, *, client_id: str, browser: bytes | None, waits: bool, now: float
    ) -> Step | None:
        """Take the next step of this client's flow, once. None: the handle is good for no such step."""
        next_handle = new_handle()
        row = await self._db.run(
            advance,
            handle,
            next_handle,
            client_id=client_id,
            browser=hash_binding(browser) if browser is not None else _NO_BROWSER,
            waits=waits,
            now=now,
        )
        return Step(store.flow_of(row), next_handle) if row is not None else None

    async def drop(self, handle: str, now: float) -> None:
        """Nothing can come of it any more."""
        await self._db.run(bound_once, store.FINISH(of_flow=hash_handle(handle), now=now))
