"""A bounded thread pool for what costs much: so many run, so many wait, a while at most, and each network has its turn.

The event loop does none of the work. What is more than may wait is refused at once; who waits longest of the longest
line is never the one that has to go.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from admit.errors import TooBusyError
from admit.issuer.accounts.lines import Lines

T = TypeVar("T")

NICENESS: Final = 5
"""Of the threads that compute: a third of the event loop's share of a core that both want."""


class _Job:
    """One computation. Equal to itself alone."""

    __slots__ = ("future", "known", "network", "work")

    def __init__(self, work: Callable[[], Any], *, network: str, known: bool) -> None:
        self.work = work
        self.network = network
        self.known = known
        self.future: Future[Any] = Future()


def let_others_go_first() -> None:
    """Lower this thread's priority beside the one that answers requests: where there are no more cores than threads,
    the event loop would otherwise wait for them at each turn. Linux alone has a priority for each thread.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # where a sandbox allows it not, all are as before
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, max(NICENESS, os.getpriority(os.PRIO_PROCESS, own)))


class BoundedPool:
    """`threads` computations at a time, `queue` more may wait, each for `patience` seconds at most.

    After `close` the next use begins anew, so that an application may be started twice in one process.
    """

    def __init__(self, *, threads: int, queue: int, patience: float, name: str) -> None:
        self._threads = threads
        self._places = threads + queue
        self._patience = patience
        self._name = name
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._lines: Lines[_Job] = Lines()
        self._running = 0

    def is_full(self) -> bool:
        """Whether as many run and wait as may. Asked under the lock."""
        return self._running + len(self._lines) >= self._places

    @property
    def running(self) -> int:
        """How many run now."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._lines)

    async def run(self, work: Callable[[], T], *, network: str = "", known: bool = False) -> T:
        """What `work` returns, computed on a thread of the pool.

        `network` is who waits in one line; `known` whether the device is known to the account.

        Raises:
            TooBusyError: too many wait, or it has waited too long. Nothing was computed.
        """
        job = _Job(work, network=network, known=known)
        self._join(job)
        # Called at once by whoever ends it, so that a caller that goes away leaves the line.
        job.future.add_done_callback(lambda _: self._leave(job))
        patience = asyncio.get_running_loop().call_later(self._patience, self._expire, job)
        try:
            result: T = await asyncio.wrap_future(job.future)
            return result
        finally:
            patience.cancel()

    def _join(self, job: _Job) -> None:
        with self._lock:
            gone = None
            if self.is_full():
                gone = self._lines.give_way(job)
                if gone is None:
                    raise TooBusyError("password hashing queue is full")
            self._lines.join(job)
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self._threads, thread_name_prefix=self._name, initializer=let_others_go_first
                )
            # A turn for whoever is next then, not for this job. There is one for each, and more when one has left.
            self._pool.submit(self._take_turn)
        if gone is not None:
            _refuse(gone, "password hashing queue: others had fewer in it")

    def _leave(self, job: _Job) -> bool:
        with self._lock:
            return self._lines.leave(job)

    def _expire(self, job: _Job) -> None:
        if self._leave(job):
            _refuse(job, "password hashing queue: waited too long")

    def _take_turn(self) -> None:
        while True:
            with self._lock:
                job = self._lines.next()
                if job is None:
                    return
                self._running += 1
            if job.future.set_running_or_notify_cancel():
                break
            self._end_turn()
        try:
            result = job.work()
        except BaseException as error:
            self._end_turn()
            job.future.set_exception(error)
        else:
            self._end_turn()
            job.future.set_result(result)

    def _end_turn(self) -> None:
        with self._lock:
            self._running -= 1

    def close(self) -> None:
        """Let those that run end, forget those that wait."""
        with self._lock:
            pool, self._pool = self._pool, None
            waiting = []
            while (job := self._lines.next()) is not None:
                waiting.append(job)
        for job in waiting:
            job.future.cancel()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def _refuse(job: _Job, why: str) -> None:
    """It has left the line: whoever waits for it is told, unless he has gone meanwhile."""
    if job.future.set_running_or_notify_cancel():
        job.future.set_exception(TooBusyError(why))
