"""The job that lets go of lists, logs and families that nobody can ask for any more."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from admit.errors import StorageUnavailableError
from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.store.sweep import DUE, NODES, SELECT_FINISHED, drop_lists, purge
from admit.issuer.storage import Database
from admit.issuer.storage.pace import Pace
from admit.issuer.storage.portions import portion


class Sweeper:
    """One turn of it every few minutes. Several nodes may sweep at once.

    `longest_token` is the longest life of any token: a list leaves that long after its last family.
    """

    def __init__(
        self, db: Database, *, longest_token: timedelta, config: RevocationConfig | None = None
    ) -> None:
        self._db = db
        self._config = config if config is not None else RevocationConfig()
        self._longest_token = longest_token.total_seconds()

    async def turn(self, now: float) -> None:
        """Do what is due. Where one kind cannot be swept the others are: of too many families the look for lists takes
        longer than PostgreSQL lets it, for as long as nobody forgets those that are over.

        Raises:
            StorageUnavailableError: the database was not reached; the next turn goes on.
        """
        changes = now - max(self._config.change_log.total_seconds(), self._longest_token)
        nodes = now - max(self._config.node_kept.total_seconds(), self._longest_token)
        parts: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: self.drop_lists(now),
            lambda: self.purge(changes),
            lambda: NODES.delete_all(self._db, before=nodes),
        )
        trouble: StorageUnavailableError | None = None
        for part in parts:
            try:
                await part()
            except StorageUnavailableError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    async def drop_lists(self, now: float) -> int:
        """Take lists out of use whose families are over and their tokens dead; how many. They are looked for outside of
        any transaction: it may take a look at a million families.
        """
        finished = await self._db.read_apart(SELECT_FINISHED(before=now - self._longest_token))
        if not finished:
            return 0
        return await self._db.run(drop_lists, [row["n"] for row in finished], now=now)

    async def purge(self, before: float) -> int:
        """Delete the order of ends from before `before`, and dropped lists' bits; how many rows."""
        pace, gone = Pace(), 0
        while True:
            (due,) = await self._db.read_apart(DUE(before=before, count=pace.rows))
            batches = min(pace.rows, due["batches"])
            changes = min(pace.rows - batches, due["changes"])
            if not batches and not changes:
                return gone
            job = partial(purge, batches, changes, before=before)
            gone += await portion(self._db, pace, batches + changes, job)
