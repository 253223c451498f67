"""`Clients`: finds a client wherever it is kept, and brings the database's ids into line with the settings."""

from collections.abc import Iterable, Mapping

from admit.issuer.clients import store
from admit.issuer.clients.errors import ClientNotFoundError
from admit.issuer.clients.records import Client
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import is_client_id
from admit.issuer.storage import Database


class Clients:
    """The clients of the settings, and what the database knows of them, for issuing to hang from."""

    def __init__(self, db: Database, registry: Registry) -> None:
        self._db = db
        self._registry = registry

    async def find(self, client_id: str | None) -> Client | None:
        """The client of this id, as it is registered now; None for an id that nobody has."""
        return self._registry.client(client_id) if client_id is not None else None

    async def find_many(self, client_ids: Iterable[str]) -> Mapping[str, Client]:
        """Those of the ids that somebody has."""
        found = {client_id: await self.find(client_id) for client_id in set(client_ids)}
        return {client_id: client for client_id, client in found.items() if client is not None}

    async def sync(self, now: float) -> None:
        """Called at start. Writes nothing when nothing changed; may run on several nodes at once."""
        wanted = {client.id for client in self._registry.clients()}
        known = {row["id"] for row in await self._db.read(store.LIVE_CLIENTS())}
        if wanted != known:
            await self._db.run(store.sync, add=wanted - known, remove=known - wanted, now=now)

    async def check_known(self, client_id: str) -> None:
        """There is such a client, or was: what was granted to one that the settings name no more can be ended too.

        Raises:
            ClientNotFoundError: there never was.
        """
        known = is_client_id(client_id) and await self._db.one(store.ANY_CLIENT(id=client_id)) is not None
        if not known:
            raise ClientNotFoundError
