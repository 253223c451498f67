"""One request for all who wait for its outcome, be they threads or tasks of any event loop."""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeoutError
from typing import Final, Generic, TypeVar

from admit.client.errors import ServerUnavailableError
from admit.client.exchange import Talk, arun, run

T = TypeVar("T")
WAIT: Final = 20.0
"""Seconds that anybody waits for somebody else's request, which is bounded itself: metadata, and then a token."""

_ALL: "weakref.WeakSet[Flight[object]]" = weakref.WeakSet()


class Flight(Generic[T]):
    """At most one conversation under way; whoever comes meanwhile gets its outcome, or its error."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._reset()
        _ALL.add(self)  # type: ignore[arg-type]  # a set of all kinds of them; only `_reset` is called there

    def _reset(self) -> None:
        """What belongs to one process: a forked child has nobody who would land the flight."""
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None
        self._tasks = set()

    @property
    def is_under_way(self) -> bool:
        return self._under_way is not None

    def join(self, talk: Callable[[], Talk[T]]) -> T:
        """The outcome of the flight under way, else of a new one in this thread.

        Raises:
            ServerUnavailableError: somebody else's request took too long.
            AdmitError: whatever the conversation raises.
        """
        outcome, mine = self._board()
        if mine:
            try:
                landed = run(talk())
            except BaseException as error:
                self._land(outcome, error)
                raise
            self._land(outcome, None, landed)
            return landed
        try:
            return outcome.result(WAIT)
        except WaitTimeoutError:
            self._give_up(outcome)
            raise ServerUnavailableError("another's request for a token took too long") from None

    async def ajoin(self, talk: Callable[[], Talk[T]]) -> T:
        """The same in the running event loop. Who stops waiting does not stop the request."""
        outcome, mine = self._board()
        if mine:
            # A task of its own: the first to ask may be cancelled, and the server would have rotated for nobody.
            task = asyncio.get_running_loop().create_task(self._fly(outcome, talk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(WAIT):
                return await asyncio.shield(asyncio.wrap_future(outcome))
        except TimeoutError:
            self._give_up(outcome)
            raise ServerUnavailableError("another's request for a token took too long") from None

    async def _fly(self, outcome: Future[T], talk: Callable[[], Talk[T]]) -> None:
        try:
            landed = await arun(talk())
        except Exception as error:
            self._land(outcome, error)
        except BaseException:  # the loop ends: those in other threads are told at once
            self._land(outcome, ServerUnavailableError("the request for a token was given up"))
            raise
        else:
            self._land(outcome, None, landed)

    def _board(self) -> tuple[Future[T], bool]:
        with self._lock:
            if self._under_way is not None:
                return self._under_way, False
            outcome: Future[T] = Future()
            outcome.set_running_or_notify_cancel()  # no waiting task can cancel it now
            self._under_way = outcome
            return outcome, True

    def _land(self, outcome: Future[T], error: BaseException | None, landed: T | None = None) -> None:
        self._give_up(outcome)
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
            outcome.exception()  # it was looked at: nobody may be waiting
        else:
            outcome.set_result(landed)  # type: ignore[arg-type]  # there is one where there is no error

    def _give_up(self, outcome: Future[T]) -> None:
        with self._lock:
            if self._under_way is outcome:
                self._under_way = None


def _after_fork() -> None:
    for flight in list(_ALL):
        flight._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
