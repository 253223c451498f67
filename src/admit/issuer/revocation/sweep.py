"""The job that lets go of lists, logs and families that nobody can ask for any more."""

from datetime import timedelta
from typing import Final

from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.store.sweep import drop_finished_lists, forget_nodes, purge
from admit.issuer.storage import Database

_PORTIONS: Final = 20  # of one kind in one turn, so that a turn ends soon


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
        self._after = 0

    async def turn(self, now: float) -> None:
        """Do some of what is due.

        Raises:
            StorageUnavailableError: the database was not reached; the next turn goes on.
        """
        await self._db.run(drop_finished_lists, before=now - self._longest_token, now=now)
        log_before = now - max(self._config.change_log.total_seconds(), self._longest_token)
        for _ in range(_PORTIONS):
            if not await self._db.run(purge, before=log_before):
                break
        node_before = now - max(self._config.node_kept.total_seconds(), self._longest_token)
        for _ in range(_PORTIONS):
            self._after = await self._db.run(forget_nodes, after=self._after, before=node_before)
            if self._after == 0:
                break
