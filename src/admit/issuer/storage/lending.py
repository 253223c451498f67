"""PostgreSQL connections that go from hand to hand: what one has done with, the next takes without the pool's doing.

The pool's own taking and giving back is a task, a timer and a queue each time, which costs about as much as a look-up
does. It still makes the connections and ends them, and is given each back from time to time.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

HELD_FOR: Final = 60.0
"""Seconds until a connection goes back to the pool, which then sees how old and how much used it is."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lent:
    """A connection of the pool, and since when it has been out (the loop's time)."""

    connection: Any
    since: float

    @property
    def is_open(self) -> bool:
        """Whether it may be used still, as far as is known here."""
        try:
            return not self.connection.is_closed()
        except asyncpg.InterfaceError:  # it was lost, and the pool took it back
            return False


class Lending:
    """The connections of one pool that nobody uses at the moment, and the way to the others."""

    def __init__(self, pool: asyncpg.Pool, within: float) -> None:
        """`within`: seconds that `take` waits at most."""
        self._pool = pool
        self._within = within
        self._loop = asyncio.get_running_loop()
        self._idle: list[Lent] = []
        self._asking = 0
        self._good_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._giving: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> int:
        """How many are here."""
        return len(self._idle)

    def at_once(self) -> Lent | None:
        """One that is here; None where the pool has to be asked."""
        while self._idle:
            lent = self._idle.pop()
            if lent.is_open:
                return lent
        return None

    async def take(self) -> Lent:
        """One that is here, or the pool's next. Whoever takes it calls `keep` or `give_back` afterwards.

        Raises:
            TimeoutError, or what asyncpg raises: there is none.
        """
        lent = self.at_once()
        if lent is not None:
            return lent
        self._asking += 1
        try:
            connection = await self._pool.acquire(timeout=self._within)
        finally:
            self._asking -= 1
        return Lent(connection, self._loop.time())

    def keep(self, lent: Lent) -> bool:
        """Have one here that all went well with. False: it has to be given back, for whoever waits at the pool, because
        it was out for long, or because others of its age were found dead.
        """
        if self._asking or lent.since < max(self._good_since, self._loop.time() - HELD_FOR):
            return False
        if lent.connection.is_in_transaction():  # never left here for the next
            return False
        self._idle.append(lent)
        if self._timer is None:
            self._timer = self._loop.call_later(HELD_FOR, self._give_all_back)
        return True

    async def give_back(self, lent: Lent) -> None:
        """Let the pool have it, in whatever state it is."""
        try:
            await self._pool.release(lent.connection)
        except Exception:
            _log.debug("a broken connection was dropped")

    async def settle(self) -> None:
        """Give back what is here, and keep nothing that is out now when it comes."""
        self._good_since = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        idle, self._idle = self._idle, []
        for lent in idle:
            await self.give_back(lent)

    async def close(self) -> None:
        """The same for good: nothing is kept from now on."""
        await self.settle()
        self._good_since = float("inf")

    def _give_all_back(self) -> None:
        self._timer = None
        idle, self._idle = self._idle, []
        for lent in idle:
            task = self._loop.create_task(self.give_back(lent))
            self._giving.add(task)
            task.add_done_callback(self._giving.discard)
