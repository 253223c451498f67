"""`Clients`: brings the database's client ids into line with the settings."""

from admit.issuer.clients import store
from admit.issuer.clients.errors import ClientNotFoundError
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import is_client_id
from admit.issuer.storage import Database


class Clients:
    """The clients that the database knows, for issuing to hang from."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def sync(self, registry: Registry, now: float) -> None:
        """Called at start. Writes nothing when nothing changed; may run on several nodes at once."""
        wanted = {client.id for client in registry.clients()}
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
