"""A PostgreSQL connection of its own that hears when somebody published. What it says is a hint, never relied upon."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

CHANNEL: Final = "admit_status"
_FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0  # seconds
_PROVE_EVERY: Final = 30.0  # seconds; a connection may be dead without anybody having said so
_PROVE_WITHIN: Final = 5.0

log = logging.getLogger(__name__)


class Listening:
    """Listens until stopped, on one connection that is made anew whenever it is lost. Between two, polls have to do.

    It is tried for as long as it takes, since nobody would begin anew otherwise; ever more seldom, up to once in
    `LONGEST_PAUSE`, and by several nodes at different times. Nothing of one try waits without a bound.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], told: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._told = told
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Disconnect."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._listen()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("the hint of new revocations is away: %s", type(error).__name__)
            except Exception:
                log.exception("listening for revocations failed")
            if asyncio.get_running_loop().time() - began > _PROVE_EVERY:
                pause = _FIRST_PAUSE
            await _wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  # so that nodes do not come together
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _listen(self) -> None:
        """One connection, until it is lost."""
        connection = await self._connect()
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._heard)
            self._told()  # what was published before is unknown
            while not connection.is_closed():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROVE_EVERY):
                        await lost.wait()
                if not lost.is_set():
                    await connection.execute("SELECT 1", timeout=_PROVE_WITHIN)
        finally:
            connection.terminate()

    def _heard(self, *_: Any) -> None:
        self._told()


async def _wait(seconds: float) -> None:
    await asyncio.sleep(seconds)
