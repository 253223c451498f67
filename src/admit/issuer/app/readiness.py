"""Whether this process can do its work now, and if not, why, in a word or two."""

from collections.abc import Callable
from typing import Final

from admit.errors import AdmitError
from admit.issuer.app.event_stream import server_is_stopping
from admit.issuer.keys import SigningKeys
from admit.issuer.revocation.service import STATUS_ALG
from admit.issuer.revocation.store.lists import SELECT_HEAD
from admit.issuer.storage import Database

STOPPING: Final = "stopping"
NO_DATABASE: Final = "no database"
NO_KEYS: Final = "no keys"
STALE: Final = "stale"


class Readiness:
    """`fresh` says whether what this process knows of revocations is within its bound."""

    def __init__(self, db: Database, keys: SigningKeys, *, fresh: Callable[[], bool]) -> None:
        self._db = db
        self._keys = keys
        self._fresh = fresh
        self.stopping = False

    async def why_not(self) -> str | None:
        """None: ready. Asks the database each time."""
        if self.stopping or server_is_stopping():
            return STOPPING
        try:
            await self._db.read(SELECT_HEAD())
        except AdmitError:
            return NO_DATABASE
        signers = self._keys.snapshot.signers
        if ("status", STATUS_ALG) not in signers or not any(purpose == "token" for purpose, _ in signers):
            return NO_KEYS
        return None if self._fresh() else STALE
