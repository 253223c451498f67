"""The job that keeps a process's own verifier fresh, and its streams quick.

A look at the database five times a second, and sooner where somebody says that there is something to see.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from admit.errors import AdmitError
from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import StatusState
from admit.issuer.revocation.service import StatusService
from admit.issuer.revocation.stream import TOGETHER
from admit.issuer.storage import Database

log = logging.getLogger(__name__)

Deliver = Callable[[StatusState, float], None]
"""Takes what holds, and when the look at it began, by the `since_boot` clock."""

_LOUD_EVERY: Final = 50  # failed looks between two lines in the log: ten seconds by default


class Wake:
    """Waits out the time between two looks, or until `tell` says that somebody published. For one event loop.

    A hint that is lost costs nothing but the rest of the pause. `apart` gives the seconds between two looks that hints
    caused: a hundred ends a second cost twenty looks, or as many as there are events to make of them.
    """

    def __init__(self, apart: Callable[[], float] = lambda: TOGETHER) -> None:
        self._apart = apart
        self._hint = asyncio.Event()
        self._hinted_at = float("-inf")

    def tell(self) -> None:
        """There may be something to see."""
        self._hint.set()

    async def pause(self, seconds: float) -> None:
        """At most `seconds`; after a hint, only until `apart` seconds have passed since the one before."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await self._hint.wait()
                await asyncio.sleep(max(0.0, self._hinted_at + self._apart() - loop.time()))
        except TimeoutError:
            return
        self._hint.clear()
        self._hinted_at = loop.time()


async def follow(
    service: StatusService,
    lists: Lists,
    db: Database,
    deliver: Deliver,
    *,
    wall: Callable[[], float],
    since_boot: Callable[[], float],
    config: RevocationConfig,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Until cancelled: look, hand what holds to `deliver`, see that a spare list is there, pause.

    A look that fails delivers nothing, so the verifier grows stale and says 503 past its bound. It heals by
    itself.
    """
    failed = 0
    checked: float | None = None
    while True:
        began = since_boot()
        try:
            deliver(await service.refresh(), began)
            if checked is None or began - checked >= config.list_check.total_seconds():
                await lists.ensure(db, wall())
                checked = began
            failed = 0
        except AdmitError as error:
            if failed % _LOUD_EVERY == 0:
                told = {"code": error.code, "detail": error.detail}
                log.warning("revocations could not be read: %s", type(error).__name__, extra=told)
            failed += 1
        except Exception:
            # A mistake of ours must not end the job: the verifier would stay stale until somebody restarts it.
            log.exception("the look at revocations failed")
        await pause(config.poll.total_seconds())
