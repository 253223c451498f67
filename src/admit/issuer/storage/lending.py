"""PostgreSQL connections that go from hand to hand: what one has done with, the next takes without the pool's doing.

The pool's own taking and giving back is a task, a timer and a queue each time, which costs about as much as a look-up
does. It still makes the connections and ends them, and is given each back from time to time.
"""

import asyncio
import logging
from collections import deque
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
        self._out = 0  # of the pool's: in use, or here
        self._waiting: deque[asyncio.Future[Lent | None]] = deque()
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
            self._gone()  # the pool took it back when it was lost
        return None

    async def take(self) -> Lent:
        """One that is here, or the pool's next. Whoever takes it calls `keep` or `give_back` afterwards.

        Raises:
            TimeoutError, or what asyncpg raises: there is none.
        """
        until = self._loop.time() + self._within
        while (lent := self.at_once()) is None:
            if self._out < self._pool.get_max_size():
                return await self._from_pool()
            lent = await self._handed(until)
            if lent is not None:
                break
        return lent

    async def _from_pool(self) -> Lent:
        self._out += 1
        try:
            connection = await self._pool.acquire(timeout=self._within)
        except BaseException:
            self._gone()
            raise
        return Lent(connection, self._loop.time())

    async def _handed(self, until: float) -> Lent | None:
        """One that another has done with; None where the pool has one again."""
        mine: asyncio.Future[Lent | None] = self._loop.create_future()
        self._waiting.append(mine)
        timer = self._loop.call_at(until, _give_up, mine)
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self._pass_on(mine.result())  # it came at the same time, and is not lost
            raise
        finally:
            timer.cancel()

    def _pass_on(self, lent: Lent | None) -> None:
        if lent is None:
            self._hand(None)
        elif not self.keep(lent):
            self._give_back_soon(lent)

    def _hand(self, lent: Lent | None) -> bool:
        """Let the first who waits have it, if anybody does."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(lent)
                return True
        return False

    def _gone(self) -> None:
        """The pool has one more again."""
        self._out -= 1
        self._hand(None)

    def keep(self, lent: Lent) -> bool:
        """Have one here that all went well with, or who waits for one. False: it has to be given back, because it was
        out for long, or because others of its age were found dead.
        """
        if lent.since < max(self._good_since, self._loop.time() - HELD_FOR):
            return False
        if not lent.is_open or lent.connection.is_in_transaction():  # neither is for the next
            return False
        if self._hand(lent):
            return True
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
        finally:
            self._gone()

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
            self._give_back_soon(lent)

    def _give_back_soon(self, lent: Lent) -> None:
        task = self._loop.create_task(self.give_back(lent))
        self._giving.add(task)
        task.add_done_callback(self._giving.discard)


def _give_up(waiting: "asyncio.Future[Lent | None]") -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())
