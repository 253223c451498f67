"""What is measured when somebody scrapes. What the database has to count is counted at most once a minute."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from admit.errors import AdmitError
from admit.issuer.outbox.store import HOW_MANY
from admit.issuer.sessions.store import COUNT_LIVE
from admit.issuer.storage import Bound

if TYPE_CHECKING:
    from admit.issuer.app.issuer import Issuer

COUNTED_EVERY: Final = 60.0
ANSWERED_WITHIN: Final = 5.0
"""Seconds that a scrape waits for the database: when that hangs, all the other numbers are wanted most."""


class IssuerGauges:
    """Of one running issuer. `refresh` before `now`."""

    def __init__(self, issuer: "Issuer", *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._issuer = issuer
        self._counted: dict[str, float] = {}
        self._counted_at = float("-inf")
        self._ready = False

    async def refresh(self, now: float) -> None:
        """Ask what has to be asked; what the database does not answer in time is left out. `now`: of any clock."""
        ready = False
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                ready = await self._issuer.readiness.why_not() is None
                if now - self._counted_at >= COUNTED_EVERY:
                    self._counted_at = now
                    await self._count_all()
        except TimeoutError:
            self._counted.clear()
        self._ready = ready

    async def _count_all(self) -> None:
        wall, settings = self._clock(), self._issuer.settings
        await self._count(
            "sessions_live",
            COUNT_LIVE(now=wall, idle_before=wall - settings.sessions.idle.total_seconds()),
            "n",
        )
        if settings.mail.is_on:
            await self._count("outbox_waiting", HOW_MANY(most=settings.mail.most_waiting), "count")

    async def _count(self, name: str, bound: Bound, column: str) -> None:
        try:
            [row] = await self._issuer.db.read_apart(bound)
            self._counted[name] = row[column]
        except AdmitError:
            self._counted.pop(name, None)

    def now(self) -> Mapping[str, float]:
        """All gauges."""
        issuer = self._issuer
        return {
            "ready": float(self._ready),
            "event_streams": issuer.status.stream.open_streams,
            "refusals_written_total": issuer.ring.written,
            "refusals_dropped_total": issuer.ring.dropped,
            "hash_pool_running": issuer.hasher.pool.running,
            "hash_pool_waiting": issuer.hasher.pool.waiting,
            **{f"database_{name}": value for name, value in issuer.db.load().items()},
            **self._counted,
        }
