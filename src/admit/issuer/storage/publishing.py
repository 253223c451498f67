"""The end of a PostgreSQL transaction that changed status bits: it gets its place in the order of ends, and commits."""

from typing import Final

import asyncpg

# Planned once for a connection: every end pays for it, and ends commit one at a time.
PREPARE_PUBLISH: Final = (
    "PREPARE admit_publish AS"
    " WITH h AS (UPDATE status_head SET seq = seq + 1 RETURNING epoch, seq)"
    " INSERT INTO status_batch (epoch, seq, tx, at)"
    # Asked for one by one: without a head row they are NULL, and the key refuses rather than publish nothing.
    " SELECT (SELECT epoch FROM h), (SELECT seq FROM h),"
    " pg_current_xact_id()::text::bigint, extract(epoch from clock_timestamp())"
)
# One simple-query message: from taking the head's lock to COMMIT the server waits for nobody, so that seq order is
# commit order and a client that dies holds no lock.
COMMIT_AND_PUBLISH: Final = "EXECUTE admit_publish; NOTIFY admit_status; COMMIT"


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Without the reset query, a round trip after each use: we leave nothing in a session that it would clear. So there
    is nothing to reset but a transaction that was left open, and no timer to be set for it after each read.
    """

    _can_publish = False

    def get_reset_query(self) -> str:
        return ""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the pool gives it by this name
        """Called by the pool when it takes a connection back."""
        if self.is_in_transaction():
            await super().reset(timeout=timeout)

    async def commit_and_publish(self) -> None:
        """Give the transaction its seq and commit it. What is prepared stays, even when this rolls back."""
        if not self._can_publish:
            await self.execute(PREPARE_PUBLISH)
            self._can_publish = True
        await self.execute(COMMIT_AND_PUBLISH)
