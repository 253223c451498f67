"""`Clients`: finds a client wherever it is kept, and writes those that the database keeps."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from admit.issuer.audit import RequestInfo
from admit.issuer.audit.records import NOBODY
from admit.issuer.clients import kept, rules, store, transactions
from admit.issuer.clients.documents import MetadataDocuments
from admit.issuer.clients.errors import ClientNotFoundError
from admit.issuer.clients.records import Client, Resource, Source
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import is_client_id, is_document_url
from admit.issuer.storage import Database, Row
from admit.issuer.storage.pace import Pace
from admit.issuer.storage.portions import portion

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClient:
    """A client of the database, and what is known beside its metadata. Times are seconds since the epoch."""

    client: Client
    source: Source
    created_at: float
    updated_at: float
    invited_by: str | None


class Clients:
    """The clients of the settings and of the database, for issuing to hang from.

    Nothing is remembered of what the database says: a client that was removed is unknown to every node at once, for the
    price of one read by the primary key.
    """

    def __init__(
        self,
        db: Database,
        registry: Registry,
        documents: MetadataDocuments | None = None,
        *,
        unused_for: timedelta = timedelta(days=7),
    ) -> None:
        self._db = db
        self._unused_for = unused_for
        self._registry = registry
        self._documents = documents

    async def find(self, client_id: str | None, *, fetch: bool = True) -> Client | None:
        """The client of this id, as it is registered now; None for an id that nobody has. The settings go first.
        Without `fetch` a metadata document is taken as it was at last: for what needs no more than its redirect URIs.

        Raises:
            MetadataDocumentError: the id is the URL of a metadata document, which cannot be had or describes no client
                that is taken.
            ThrottledError: this network has asked for too many such documents.
        """
        if client_id is None:
            return None
        found = self._registry.client(client_id)
        if found is not None or not is_client_id(client_id):
            if found is None and self._documents is not None and client_id.startswith("https://"):
                return await self._documents.find(client_id, fetch=fetch)
            return found
        row = await self._db.one(store.FIND(id=client_id))
        return self._read(row) if row is not None else None

    async def is_configured(self, client_id: str) -> bool:
        """Whether settings or an operator's command name this client: not what describes itself, however it came."""
        if self._registry.client(client_id) is not None:
            return True
        row = await self._db.one(store.FIND_ROW(id=client_id))
        return row is not None and row["source"] == Source.CLI.value

    async def find_many(self, client_ids: Iterable[str]) -> Mapping[str, Client]:
        """Those of the ids that somebody has. Nothing is fetched: a metadata document is what it was at last."""
        wanted = set(client_ids)
        found = {id: client for id in wanted if (client := self._registry.client(id)) is not None}
        others = [id for id in wanted - found.keys() if is_client_id(id) or is_document_url(id)]
        if others:
            for row in await self._db.read(store.FIND_MANY(ids=sorted(others))):
                if (client := self._read(row)) is not None:
                    found[client.id] = client
        return found

    def _read(self, row: Row) -> Client | None:
        try:
            client = kept.client_of(row["id"], row["document"], row["secret_hashes"])
        except kept.KeptError as error:
            log.error("a client cannot be read, and counts as unknown", extra={"detail": error.detail})
            return None
        # A resource may be gone since. The client keeps the rest.
        known = frozenset(id for id in client.resources if self._registry.resource(id) is not None)
        if known == client.resources:
            return client
        default = client.default_resource if client.default_resource in known else None
        return replace(client, resources=known, default_resource=default)

    async def has_origin(self, origin: str) -> bool:
        """Whether this is the origin of a redirect URI of some client, RFC 6454 §6.2."""
        if origin in self._registry.origins():
            return True
        return len(origin) <= 300 and await self._db.one(store.HAS_ORIGIN(origin=origin)) is not None

    async def sync(self, now: float) -> None:
        """Called at start. Writes nothing when nothing changed; may run on several nodes at once."""
        await self.read_resources()
        wanted = {client.id for client in self._registry.clients()}
        known = {row["id"] for row in await self._db.read(store.LIVE_CLIENTS())}
        if wanted != known:
            await self._db.run(transactions.sync, add=wanted - known, remove=known - wanted, now=now)

    async def check_known(self, client_id: str) -> None:
        """There is such a client, or was: what was granted to one that is removed can be ended too.

        Raises:
            ClientNotFoundError: there never was.
        """
        may_be = is_client_id(client_id) or is_document_url(client_id)
        if not may_be or await self._db.one(store.ANY_CLIENT(id=client_id)) is None:
            raise ClientNotFoundError

    # Those that the database keeps

    async def add(self, client: Client, *, info: RequestInfo = NOBODY, now: float) -> bool:
        """Keep a client that an operator adds. False: the id is taken.

        Raises:
            ConfigError: it breaks a rule that every client is held to, or says what only settings may say.
        """
        self._registry.check(client)
        rules.check_kept(client)
        if self._registry.client(client.id) is not None:
            return False
        return await self._db.run(transactions.add, client, Source.CLI, info=info, now=now)

    async def list(self, *, limit: int = 100, after: str = "") -> list[KeptClient]:
        """Those of the database by id, the ones after `after`."""
        rows = await self._db.read(store.LIST(after=after, count=limit))
        return [one for row in rows if (one := self._as_kept(row)) is not None]

    async def get(self, client_id: str) -> KeptClient | None:
        """One of the database, with what is known beside its metadata."""
        row = await self._db.one(store.FIND_ROW(id=client_id))
        if row is None or row["removed_at"] is not None or row["source"] == Source.SETTINGS.value:
            return None
        return self._as_kept(row)

    def _as_kept(self, row: Row) -> KeptClient | None:
        client = self._read(row)
        if client is None:
            return None
        return KeptClient(
            client=client, source=Source(row["source"]), created_at=row["created_at"],
            updated_at=row["updated_at"], invited_by=row["invited_by"],
        )  # fmt: skip

    async def new_secret(
        self, client_id: str, *, drop_old: bool, info: RequestInfo = NOBODY, now: float
    ) -> tuple[str, int]:
        """A new secret beside the newest one that it has, or instead of all with `drop_old`; the secret, and how many
        are good now. It is known nowhere else.

        Raises:
            ClientNotFoundError: the database has no such confidential client.
        """
        while True:
            found = await self.get(client_id)
            if found is None or found.client.public or not found.client.secret_hashes:
                raise ClientNotFoundError
            secret, seen = rules.new_secret(), found.client.secret_hashes
            hashes = (*rules.good_beside(seen, drop_old=drop_old), rules.hash_secret(secret))
            if await self._db.run(transactions.replace_secrets, client_id, seen, hashes, info=info, now=now):
                return secret, len(hashes)

    async def sweep(self, now: float) -> None:
        """Forget clients that strangers made, and that were never granted anything in their time."""
        before, pace = now - self._unused_for.total_seconds(), Pace()
        while ids := [row["id"] for row in await self._db.read_apart(store.UNUSED(before=before))]:
            gone = 0
            while ids:
                some, ids = ids[: pace.rows], ids[pace.rows :]
                gone += await portion(
                    self._db, pace, len(some), partial(transactions.forget_unused, some, before=before)
                )
            if not gone:
                return

    # Resources

    async def read_resources(self) -> None:
        """Bring the registry to what the database says of resources now."""
        self._registry.keep(self._resources(await self._db.read(store.RESOURCES())))

    def _resources(self, rows: Sequence[Row]) -> Iterable[Resource]:
        for row in rows:
            try:
                yield kept.resource_of(row["id"], row["document"], row["secret_hash"])
            except kept.KeptError as error:
                log.error("a resource cannot be read, and counts as unknown", extra={"detail": error.detail})

    async def add_resource(self, resource: Resource, *, info: RequestInfo = NOBODY, now: float) -> bool:
        """Keep a resource. False: the id is taken.

        Raises:
            ConfigError: it breaks a rule that every resource is held to.
        """
        self._registry.check_resource(resource)
        if self._registry.is_of_settings(resource.id):
            return False
        added = await self._db.run(transactions.add_resource, resource, info=info, now=now)
        await self.read_resources()
        return added

    async def change_resource(
        self,
        resource_id: str,
        change: Callable[[Resource], Resource],
        *,
        info: RequestInfo = NOBODY,
        now: float,
    ) -> Resource | None:
        """Keep what `change` makes of a resource of the database, which may be asked again where another changed it
        meanwhile; its id and its secret stay. None: the database has no such one, or the settings go before it.

        Raises:
            ConfigError: what it became breaks a rule that every resource is held to.
        """
        while True:
            row = await self._db.one(store.FIND_RESOURCE(id=resource_id))
            if row is None or self._registry.is_of_settings(resource_id):
                return None
            seen = kept.resource_of(row["id"], row["document"], row["secret_hash"])
            wanted = replace(change(seen), id=seen.id, secret_hash=seen.secret_hash)
            self._registry.check_resource(wanted)
            if wanted == seen:
                return seen
            if await self._db.run(
                transactions.change_resource, wanted, before=seen, seen=row["document"], info=info, now=now
            ):
                await self.read_resources()
                return wanted

    async def remove_resource(self, resource_id: str, *, info: RequestInfo = NOBODY, now: float) -> bool:
        """Forget a resource. False: the database has no such one. Every node knows within `RESOURCES_EVERY` seconds and
        gives no token for it then; those that are out live on for their five minutes.
        """
        removed = await self._db.run(transactions.remove_resource, resource_id, info=info, now=now)
        await self.read_resources()
        return removed
