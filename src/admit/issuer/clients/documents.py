"""`MetadataDocuments`: clients whose id is the https URL of a document that describes them.

Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document), which the MCP authorization specification
asks for. A stranger names the URL, so: only through the egress guard, no redirects, few octets, few seconds, so many
for each network, one fetch for all who wait. What was fetched is kept in the database, so that it is fetched once for
all nodes, and read there by the primary key at each use.
"""

import asyncio
import logging
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from admit.errors import FetchError, MalformedTokenError, ThrottledError
from admit.fetch import Fetcher, Response
from admit.issuer.audit import RequestInfo
from admit.issuer.clients import asking, kept, metadata, rules, store, transactions
from admit.issuer.clients.config import MetadataDocumentsConfig
from admit.issuer.clients.errors import InvalidClientMetadataError, MetadataDocumentError
from admit.issuer.clients.policy import Policy
from admit.issuer.clients.records import AuthMethod, Client, Source
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Database, Row
from admit.issuer.throttle import network, take_in_network
from admit.jose import json

log = logging.getLogger("admit.issuer")

MAX_DOCUMENT: Final = 10_240
"""Octets. The draft says that a few thousand are enough."""
UNSAID: Final = 300.0  # seconds that a document is fresh which says nothing of caching
FAILURES: Final = 1_000  # URLs of which it is remembered that they could not be had
MINUTE: Final = timedelta(minutes=1)
_HEADERS: Mapping[str, str] = {"accept": "application/json"}
_JSON: Final = re.compile(r"application/(?:[a-z0-9][a-z0-9!#$&^_.-]*\+)?json", re.ASCII)
_MAX_AGE: Final = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,10})\"?\s*(?:,|$)", re.ASCII)
_NEVER: Final = re.compile(r"(?:^|,)\s*(?:no-store|no-cache)\b", re.ASCII)


class MetadataDocuments:
    """One event loop uses it; construction does no I/O. `clock` is seconds since the epoch."""

    def __init__(
        self,
        db: Database,
        registry: Registry,
        config: MetadataDocumentsConfig,
        fetcher: Fetcher,
        clock: Callable[[], float],
    ) -> None:
        self._db = db
        self._registry = registry
        self._config = config
        self._fetcher = fetcher
        self._clock = clock
        self._fetching: dict[str, asyncio.Task[Client]] = {}
        self._under_way: Counter[str] = Counter()
        self._failed: OrderedDict[str, float] = OrderedDict()

    async def find(self, url: str, *, fetch: bool) -> Client | None:
        """The client with this id. None while such ids are not taken, and for one that an operator removed. Without
        `fetch` it is as it was fetched at last.

        Raises:
            MetadataDocumentError: the document cannot be had, or describes no client that is taken.
            ThrottledError: this network has asked for too many documents.
        """
        if not self._config.enabled or not rules.is_document_url(url):
            return None
        row = await self._db.one(store.FIND_ROW(id=url))
        if row is not None and (row["removed_at"] is not None or row["source"] != _SOURCE):
            return None
        if row is not None and (not fetch or row["fresh_until"] > self._clock()):
            return self._read(row)
        if not fetch:
            return None
        try:
            return self._narrowed(await self._once(url, row))
        except FetchError as error:
            if row is not None and self._clock() < row["fresh_until"] + self._config.kept.total_seconds():
                return self._read(row)  # its host is away for a while; the client is not
            raise MetadataDocumentError(f"could not be fetched: {error.detail}") from error

    async def stop(self) -> None:
        """End the fetches that are under way; nobody waits for them any more."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _once(self, url: str, row: Row | None) -> Client:
        """Fetch it, or wait for the fetch of it that is under way."""
        task = self._fetching.get(url)
        begun_here = task is None
        if task is None:
            if self._failed.get(url, 0.0) > self._clock():
                raise FetchError("it failed a moment ago")
            task = self._fetching[url] = asyncio.create_task(self._fetch(url, row))
            task.add_done_callback(lambda done: self._over(url, done))
        try:
            return await asyncio.shield(task)
        except ThrottledError:
            if begun_here:
                raise
        return await self._once(url, row)  # it was another network that has asked too often

    async def _admit(self) -> None:
        """Whether this network may make us fetch one more.

        Raises:
            ThrottledError: it has had its share of this minute.
        """
        verdict = await self._db.run(
            take_in_network, kind="metadata-document", ip=asking.FROM.get(), limit=self._config.per_network,
            window=MINUTE, now=self._clock(),
        )  # fmt: skip
        verdict.or_throttled("metadata documents")

    def _over(self, url: str, task: "asyncio.Task[Client]") -> None:
        self._fetching.pop(url, None)
        if task.cancelled() or isinstance(task.exception(), ThrottledError):
            return  # which says nothing of the document
        if task.exception() is not None:
            self._failed[url] = self._clock() + self._config.failed.total_seconds()
            self._failed.move_to_end(url)
            while len(self._failed) > FAILURES:
                self._failed.popitem(last=False)
        else:
            self._failed.pop(url, None)

    async def _fetch(self, url: str, row: Row | None) -> Client:
        of = network(asking.FROM.get())
        share = max(1, self._config.at_once // 5)  # so that one network cannot have all places
        if self._under_way.total() >= self._config.at_once or self._under_way[of] >= share:
            raise ThrottledError("too many metadata documents at once", retry_after=5)
        self._under_way[of] += 1
        try:
            await self._admit()
            return await self._fetch_now(url, row)
        finally:
            self._under_way[of] -= 1
            self._under_way += Counter()  # forgets those that have none

    async def _fetch_now(self, url: str, row: Row | None) -> Client:
        now = self._clock()
        try:
            response = await self._fetcher.aget(url, _HEADERS, max_bytes=MAX_DOCUMENT)
            if response.status >= 500 or response.status == 429:
                raise FetchError("its host has trouble")
            check_answer(response)
            client = client_of(
                response.body, url=url, policy=Policy.of_documents(self._config), registry=self._registry
            )
        except FetchError as error:
            log.info("a client metadata document could not be had", extra={"detail": error.detail})
            raise
        except (InvalidClientMetadataError, MalformedTokenError) as error:
            # Its owner says something else now: what was kept of it is not the client's word any more.
            if row is not None:
                await self._db.run(transactions.stale_document, url, now=now)
            raise MetadataDocumentError(f"is not taken: {error.detail}") from error
        until = now + fresh_for(response.headers.get("cache-control", ""), self._config)
        changed = row is None or row["document"] != kept.document_of(client)
        info = RequestInfo(ip=asking.FROM.get())
        if not await self._db.run(
            transactions.keep_document, client, changed=changed, fresh_until=until, info=info, now=now
        ):
            raise MetadataDocumentError("an operator removed it")
        return client

    def _read(self, row: Row) -> Client:
        return self._narrowed(kept.client_of(row["id"], row["document"], None))

    def _narrowed(self, client: Client) -> Client:
        """By the settings of now, which may say less than those of when it was fetched."""
        known = frozenset(one for one in self._config.resources if self._registry.resource(one) is not None)
        return replace(client, scopes=client.scopes & self._config.scopes, resources=client.resources & known)


_SOURCE: Final = Source.METADATA_DOCUMENT.value


def check_answer(response: Response) -> None:
    """200 and JSON, or it is no document.

    Raises:
        InvalidClientMetadataError: another status or type.
    """
    media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if response.status != 200 or not _JSON.fullmatch(media_type):
        raise InvalidClientMetadataError("not answered with 200 and JSON")


def client_of(body: bytes, *, url: str, policy: Policy, registry: Registry) -> Client:
    """The client that a document describes. It was written for all servers of the world, so what it says beyond what
    can be had here (grant types, scopes, redirect URIs of a kind that is not taken) is left out, not refused.

    Raises:
        MalformedTokenError: not one strict JSON object.
        InvalidClientMetadataError: another's document, a secret in it, nothing that is left.
    """
    members = json.loads_object(body, max_size=MAX_DOCUMENT)
    check_own(members, url)
    check_no_secret(members)
    read = metadata.read(cut(members, policy, registry))
    return metadata.client_of(read, id=url, secret_hashes=(), policy=policy, registry=registry)


def check_own(members: Mapping[str, Any], url: str) -> None:
    """The document says that it is this client's, letter by letter: another site may serve whatever somebody uploads.

    Raises:
        InvalidClientMetadataError: it does not.
    """
    if members.get("client_id") != url:
        raise InvalidClientMetadataError("client_id is not the document's URL")


def check_no_secret(members: Mapping[str, Any]) -> None:
    """Nobody shares a secret with a public document.

    Raises:
        InvalidClientMetadataError: it names one, or a method that needs one.
    """
    if "client_secret" in members or "client_secret_expires_at" in members:
        raise InvalidClientMetadataError("a secret in a public document")
    if members.get("token_endpoint_auth_method", "none") not in _METHODS:
        raise InvalidClientMetadataError("token_endpoint_auth_method is none or private_key_jwt")


_METHODS: Final = (AuthMethod.NONE.value, AuthMethod.PRIVATE_KEY_JWT.value)


def cut(members: Mapping[str, Any], policy: Policy, registry: Registry) -> dict[str, Any]:
    """The members without what no client can have here. Whatever has another type than it should is left to the
    reading.
    """
    given = {"token_endpoint_auth_method": AuthMethod.NONE.value, **members}
    for name, can in (
        ("grant_types", lambda one: one in policy.grant_types),
        ("response_types", lambda one: one == "code"),
        ("redirect_uris", lambda one: _is_taken(one, policy, registry)),
        ("post_logout_redirect_uris", lambda one: _is_taken(one, policy, registry)),
    ):
        if isinstance(value := given.get(name), list):
            given[name] = [one for one in value if not isinstance(one, str) or can(one)]
    if any(not uri.startswith("https:") for uri in given.get("redirect_uris") or () if isinstance(uri, str)):
        given.setdefault("application_type", "native")
    return given


def _is_taken(uri: str, policy: Policy, registry: Registry) -> bool:
    return rules.is_registrable_redirect_uri(uri, native=True, dev=registry.dev, localhost=policy.localhost)


def fresh_for(cache_control: str, config: MetadataDocumentsConfig) -> float:
    """Seconds that a document may be used without another look, RFC 9111 §5.2.2; within the bounds of the settings."""
    said = cache_control.lower()
    found = _MAX_AGE.search(said)
    seconds = 0.0 if _NEVER.search(said) else float(found[1]) if found is not None else UNSAID
    return min(max(seconds, config.shortest.total_seconds()), config.longest.total_seconds())
