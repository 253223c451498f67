"""Sessions at an API: what a look-up is, and the one that asks the issuer from afar."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from urllib.parse import quote_plus

from admit.credentials import lookup
from admit.credentials.lookup import Found
from admit.errors import (
    AdmitError,
    ConfigError,
    FetchError,
    LookupUnavailableError,
    SessionError,
    StaleRevocationError,
)
from admit.fetch import Fetcher, egress
from admit.jose import base64url
from admit.jose import json as strict_json
from admit.principal import Principal
from admit.verifier.boottime import boottime
from admit.verifier.core import Core

MAX_CACHE = timedelta(seconds=30)
_READING = 6.0


class SessionLookup(Protocol):
    """Finds the live session behind a cookie, for one audience."""

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """The session whose id has this SHA-256, or None.

        Raises:
            LookupUnavailableError: the store did not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeptFound(Found):
    """A look-up that was made a moment ago: good only as long as the session's bit says so, freshly.

    `lookup` is who kept it and can ask anew, also where the application put something of its own around it.
    """

    lookup: "RemoteLookup" = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    found: Found
    until: float


class RemoteLookup:
    """Asks the issuer at `POST {issuer}/session/lookup`, as the resource `resource_id` with its `secret`.

    An answer is kept for at most `cache` (0 to 30 s), and used only while its status bit is known to be fresh and not
    set. Requests for one session at one time cause one question. Construction does no I/O; instances serve several
    event loops, one after another or at once.

    Raises:
        ConfigError: `cache` out of range, an issuer that cannot be dialled, or an empty id or secret.
    """

    def __init__(
        self,
        issuer_url: str,
        resource_id: str,
        secret: str,
        *,
        cache: timedelta = MAX_CACHE,
        limit: int = 10_000,
        fetcher: Fetcher | None = None,
        boottime: Callable[[], float] = boottime,
    ) -> None:
        if not timedelta(0) <= cache <= MAX_CACHE:
            raise ConfigError("RemoteLookup(cache=...) is a timedelta from 0 to 30 seconds")
        if not resource_id or not secret:
            raise ConfigError("RemoteLookup needs the id and the secret of its [[resource]]")
        try:
            origin = egress.origin_of(issuer_url)
            egress.check_url(issuer_url, frozenset({origin}))
        except FetchError:
            raise ConfigError("an issuer is an https URL; plain http is taken on localhost only") from None
        self._issuer = issuer_url
        self._url = f"{issuer_url.rstrip('/')}/session/lookup"
        # RFC 6749 §2.3.1: both are form-encoded first, since an id may hold a colon.
        pair = f"{quote_plus(resource_id)}:{quote_plus(secret)}"
        self._authorization = f"Basic {b64encode(pair.encode()).decode()}"
        self._fetcher = fetcher or Fetcher(frozenset({origin}))
        self._cache = cache.total_seconds()
        self._limit = limit
        self._boottime = boottime
        self._kept: dict[tuple[bytes, str], _Kept] = {}
        self._asking: dict[tuple[int, bytes, str], asyncio.Task[Found | None]] = {}

    def __repr__(self) -> str:
        return f"RemoteLookup({self._url!r})"

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """A kept answer (as `KeptFound`: hold its bit against the verifier's), or a new one.

        Raises:
            LookupUnavailableError: the issuer did not answer, or not as it should.
        """
        found = self._young(id_hash, audience, now)
        if found is not None:
            return KeptFound(found.principal, found.status, found.expires_at, self)
        self.forget(id_hash, audience)
        return await self.ask(id_hash, audience)

    def _young(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """A kept answer that is young enough, from any thread; None where there is none. Its bit is yet to be held."""
        kept = self._kept.get((id_hash, audience))
        if kept is None or self._boottime() >= kept.until or now >= kept.found.expires_at:
            return None
        return kept.found

    async def ask(self, id_hash: bytes, audience: str) -> Found | None:
        """Ask the issuer now, or join the question about this session that is under way.

        Raises:
            LookupUnavailableError: as `find`.
        """
        key = (id(asyncio.get_running_loop()), id_hash, audience)
        task = self._asking.get(key)
        if task is None:
            # A task of its own: a caller that goes away must not fail the others that wait for the answer.
            task = asyncio.get_running_loop().create_task(self._ask(id_hash, audience))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        await self._fetcher.aclose()

    def forget(self, id_hash: bytes, audience: str) -> None:
        """Drop a kept answer."""
        self._kept.pop((id_hash, audience), None)

    def _done(self, key: tuple[int, bytes, str], task: "asyncio.Task[Found | None]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # taken note of: every waiter may have gone away

    async def _ask(self, id_hash: bytes, audience: str) -> Found | None:
        started = self._boottime()
        body = strict_json.dumps_object({"id_hash": base64url.encode(id_hash).decode("ascii")})
        headers = {"authorization": self._authorization, "content-type": "application/json"}
        try:
            response = await self._fetcher.apost(self._url, body, headers)
        except FetchError as error:
            raise LookupUnavailableError("the issuer did not answer a session look-up") from error
        if response.status == 404:
            self.forget(id_hash, audience)
            return None
        if response.status in (401, 403):
            raise LookupUnavailableError("the issuer refused this resource's id or secret")
        if response.status != 200:
            raise LookupUnavailableError("the issuer failed at a session look-up")
        found = lookup.decode(response.body)
        check_answer(found, self._issuer, audience)
        if self._cache > 0:
            while len(self._kept) >= self._limit:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[(id_hash, audience)] = _Kept(found, started + self._cache)
        return found


def check_answer(found: Found, issuer: str, audience: str) -> None:
    """Raise LookupUnavailableError when a look-up's answer is another issuer's word, or is for another audience."""
    if found.principal.issuer != issuer:
        raise LookupUnavailableError("the look-up answered for another issuer")
    if audience not in found.principal.audience:
        raise LookupUnavailableError("the look-up answered for another audience")


def remembered_session(
    core: Core, sessions: SessionLookup, id_hash: bytes, audience: str
) -> Principal | None:
    """Whose session this is, if it was looked up a moment ago and is good still; None: ask `session_principal`.

    It only ever says yes, and only where that would without waiting.
    """
    # Whatever an application made of a look-up, be it a subclass, is asked itself.
    if type(sessions) is not RemoteLookup or core.inline:
        return None
    found = sessions._young(id_hash, audience, core.wall())
    if found is None or core.pending_ends(found.principal.issuer) is not None:
        return None
    try:
        core.check_session(found.principal, found.status, cached=True)
    except AdmitError:
        return None
    return found.principal


async def session_principal(
    core: Core, sessions: SessionLookup, id_hash: bytes, audience: str, *, now: float | None = None
) -> Principal:
    """The principal of a session cookie, its end held against the same bits as those of tokens.

    Raises:
        SessionError: there is no such session, or it is over.
        LookupUnavailableError: it cannot be told.
    """
    wall = core.wall() if now is None else now
    found = await sessions.find(id_hash, audience, wall)
    reading = None if found is None else core.pending_ends(found.principal.issuer)
    if reading is not None:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(reading)), _READING)
    if isinstance(found, KeptFound):
        try:
            core.check_session(found.principal, found.status, cached=True)
        except StaleRevocationError:
            found = await found.lookup.ask(id_hash, audience)
        except SessionError:
            found.lookup.forget(id_hash, audience)
            raise
        else:
            return found.principal
    if found is None or wall >= found.expires_at:
        raise SessionError("no live session of that id")
    core.check_session(found.principal, found.status, cached=False)
    return found.principal
