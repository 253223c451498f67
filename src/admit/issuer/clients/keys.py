"""`ClientKeys`: the public keys of clients, those that stand in their registration and those that they publish.

What a client publishes is fetched through the egress guard, once however many requests wait for it, kept, and renewed
every few minutes. A key that is not there makes a fetch only now and then: strangers can write any `kid`. RFC 7517 §5,
OpenID Connect Core §10.1.1.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import uniform
from typing import Final, TypeAlias

from admit.errors import AdmitError, FetchError, KeysUnavailableError
from admit.issuer.clients import asking, authentication
from admit.issuer.clients.dialling import Dialling
from admit.issuer.clients.records import Client
from admit.issuer.clients.share import Share
from admit.issuer.throttle import network
from admit.jose import JWKSet
from admit.verifier.boottime import boottime
from admit.verifier.keys import MAX_STALE, REFRESH, Jitter, KeySchedule

log = logging.getLogger("admit.issuer")

REMEMBERED: Final = 1_000
"""Sets that are kept of clients that were let in here, and as many of all others; of more, those that were not asked
for the longest are fetched again when they are."""
WAITED_FOR: Final = 2 * REFRESH
"""Seconds. Keys older than this are renewed before they are used; younger ones are used while they are renewed."""
PER_NETWORK: Final = 20
"""Fetches in a minute for what one network asks of clients that nobody here let in."""
_HEADERS: Mapping[str, str] = {"accept": "application/jwk-set+json, application/json"}


@dataclass(slots=True)
class _Published:
    """One published set, and when it is asked for again. Times are boot times."""

    keys: JWKSet | None = None
    fetched_at: float = 0.0
    schedule: KeySchedule = field(default_factory=KeySchedule)
    fetching: asyncio.Task[None] | None = None


_Name: TypeAlias = tuple[str, str, str, str]


class ClientKeys:
    """The keys that assertions of clients are verified with. One event loop uses it; construction does no I/O."""

    def __init__(
        self, dialling: Dialling, *, boottime: Callable[[], float] = boottime, jitter: Jitter = uniform
    ) -> None:
        self._dialling = dialling
        self._boottime = boottime
        self._jitter = jitter
        self._share = Share(PER_NETWORK, clock=boottime)
        # Apart, so that strangers, who can be any number, push nobody's keys out but each other's.
        self._trusted: OrderedDict[_Name, _Published] = OrderedDict()
        self._strangers: OrderedDict[_Name, _Published] = OrderedDict()

    async def of(self, client: Client) -> JWKSet:
        """The client's keys for the algorithms that it may sign with.

        Raises:
            InvalidKeyError: its registration has no usable key.
            KeysUnavailableError: they are published elsewhere and could not be had, or not renewed for a day.
        """
        if client.jwks_uri is None:
            return _usable(
                authentication.read_keys(client.jwks or "", *authentication.assumed(client)), client
            )
        found = self._entry(client, client.jwks_uri)
        now = self._boottime()
        if now >= found.schedule.due and self._may_fetch(client, found):
            fetching = self._fetch(client, client.jwks_uri, found)
            if found.keys is None or now - found.fetched_at > WAITED_FOR:
                await asyncio.shield(fetching)
        if found.keys is None or self._boottime() - found.fetched_at > MAX_STALE:
            raise KeysUnavailableError("the client's keys cannot be had from its jwks_uri")
        return _usable(found.keys, client)

    async def renewed(self, client: Client, kid: str) -> JWKSet | None:
        """The client's keys once more, since one named `kid` was missing; None where it is too soon to ask again."""
        if client.jwks_uri is None:
            return None
        found = self._entry(client, client.jwks_uri)
        if found.fetching is None and not may_force(found.schedule, kid, self._boottime()):
            return None
        if not self._may_fetch(client, found):
            return None
        await asyncio.shield(self._fetch(client, client.jwks_uri, found))
        if found.keys is None:
            return None
        if not any(key.kid == kid for key in found.keys):
            found.schedule.note_absent(kid, self._boottime(), self._jitter)
        return _usable(found.keys, client)

    def _may_fetch(self, client: Client, found: _Published) -> bool:
        """Of clients that nobody here let in a network makes us fetch only so many: it could have any number of them,
        each with another address.
        """
        if client.trusted or found.fetching is not None:
            return True
        return self._share.take(network(asking.FROM.get()))

    def _entry(self, client: Client, url: str) -> _Published:
        """What is kept of a client's set, or an empty one that is kept once it is fetched."""
        kept, name = self._kept(client, url)
        found = kept.get(name)
        if found is None:
            return _Published()
        kept.move_to_end(name)
        return found

    def _kept(self, client: Client, url: str) -> tuple[OrderedDict[_Name, _Published], _Name]:
        # Each client has its own: that one may not dial an address, or writes kids, is nothing to another.
        name = (client.id, url, *authentication.assumed(client))
        return self._trusted if client.trusted else self._strangers, name

    def _fetch(self, client: Client, url: str, found: _Published) -> asyncio.Task[None]:
        """The fetch under way, or a new one: all who wait wait for the same."""
        if found.fetching is None:
            kept, name = self._kept(client, url)
            kept[name] = found
            while len(kept) > REMEMBERED:
                kept.popitem(last=False)
            found.fetching = asyncio.create_task(self._renew(client, url, found))
        return found.fetching

    async def _renew(self, client: Client, url: str, found: _Published) -> None:
        asked_at = self._boottime()
        try:
            fetcher = await self._dialling.of(client.id)
            response = await fetcher.aget(url, _HEADERS)
            if response.status != 200:
                raise FetchError("the key set was not given")
            keys = authentication.read_keys(response.body, *authentication.assumed(client))
        except AdmitError as error:
            if not found.schedule.failures:
                _warn("the keys of a client could not be fetched", client, error.detail)
            found.schedule.failed(asked_at, self._jitter)
            return
        finally:
            found.fetching = None
        if keys.private_seen and keys is not found.keys:
            _warn("a client publishes private or secret keys; none of them was taken", client, "")
        found.keys, found.fetched_at = keys, asked_at
        found.schedule.succeeded(asked_at, self._jitter)


def may_force(schedule: KeySchedule, kid: str, now: float) -> bool:
    """Whether a `kid` that is not there may cause a fetch now: once in half a minute, however many there are."""
    return schedule.may_force(kid, now)


def _usable(keys: JWKSet, client: Client) -> JWKSet:
    return keys.only(authentication.algorithms(client))


def _warn(what: str, client: Client, detail: str) -> None:
    log.warning(what, extra={"client_id": client.id, "detail": detail})
