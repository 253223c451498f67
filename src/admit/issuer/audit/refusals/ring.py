"""Refusals on their way to the table: an answer never waits for it, and what is too much is only counted."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from admit.errors import AdmitError
from admit.issuer.audit.redaction import redacted
from admit.issuer.audit.refusals import store
from admit.issuer.audit.refusals.config import RefusalsConfig
from admit.issuer.audit.refusals.records import Refusal
from admit.issuer.audit.rules import cut
from admit.issuer.storage import Database

log = logging.getLogger("admit.issuer.refusals")

GATHERED: Final = 1.0
"""Seconds that refusals are gathered before they are written together: a flood is one small transaction a second."""


class Ring:
    """Belongs to one event loop. `dropped` counts those that were never written."""

    def __init__(self, db: Database, config: RefusalsConfig, *, clock: Callable[[], float]) -> None:
        self._db = db
        self._config = config
        self._clock = clock
        self._waiting: deque[Refusal] = deque()
        self._some: asyncio.Event | None = None  # of the loop in which it runs
        self.dropped = 0
        self.written = 0

    def tell(self, refusal: Refusal) -> None:
        """Take one; never waits, never fails."""
        if self._config.rows == 0:
            return
        if not has_room(len(self._waiting), self._config.queue):
            self.dropped += 1
            return
        self._waiting.append(clean(refusal))
        if self._some is not None:
            self._some.set()

    async def write(self) -> int:
        """Write what waits, in one transaction; how many that were. What cannot be written is dropped and counted:
        the database is away then, and the log has them.
        """
        some = list(self._waiting)
        self._waiting.clear()
        if not some:
            return 0
        before = self._clock() - self._config.kept.total_seconds()
        try:
            await self._db.run(store.keep, some, rows=self._config.rows, before=before)
        except AdmitError as error:
            self.dropped += len(some)
            log.info("refusals were not kept", extra={"code": error.code, "detail": error.detail})
            return 0
        except Exception:  # none of this may keep an issuer from ending in order
            self.dropped += len(some)
            log.exception("refusals could not be kept")
            return 0
        self.written += len(some)
        return len(some)

    async def run(self) -> None:
        """Until cancelled: wait for the first, gather, write."""
        self._some = some = asyncio.Event()
        if self._waiting:
            some.set()
        while True:
            await some.wait()
            await asyncio.sleep(GATHERED)
            some.clear()
            await self.write()

    async def find(self, request_id: str) -> list[Refusal]:
        """What was kept of one request."""
        return [
            store.of_row(row) for row in await self._db.read(store.SELECT_BY_REQUEST(request_id=request_id))
        ]

    async def latest(self, limit: int) -> list[Refusal]:
        """The newest, newest first."""
        return [store.of_row(row) for row in await self._db.read(store.SELECT_LATEST(limit=limit))]


def has_room(waiting: int, most: int) -> bool:
    """Whether one more may wait."""
    return waiting < most


def clean(refusal: Refusal) -> Refusal:
    """Texts of bounded length, in which no credential is left, whoever put it there."""
    return Refusal(
        request_id=refusal.request_id,
        at=refusal.at,
        status=refusal.status,
        code=cut(refusal.code) or "",
        kind=cut(refusal.kind) or "",
        detail=cut(redacted(refusal.detail)) or "",
        method=cut(refusal.method) or "",
        route=cut(refusal.route) or "",
        client_id=cut(refusal.client_id),
        ip=cut(refusal.ip),
        trace_id=refusal.trace_id,
    )
