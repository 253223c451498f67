"""One event loop of this process, for threads that must wait for what is awaited: WSGI servers, jobs, scripts.

It runs in a daemon thread, started by the first who waits and made anew in a forked child, where its thread is not.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from admit.errors import ConfigError, LookupUnavailableError

T = TypeVar("T")

_LONGEST: Final = 15.0
"""Seconds: more than a look-up may take by its own limits, so this ends only what has none."""


class OwnLoop:
    """Runs coroutines for other threads. Construction starts nothing."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # A parent's loop is kept, since it must not be closed: that would take its wakening out of the parent's, too.
        self._parents: list[asyncio.AbstractEventLoop] = []
        self._lock = threading.Lock()

    def renew_after_fork(self) -> None:
        """Begin anew: in a forked child neither the thread is there nor who held the lock."""
        self._lock = threading.Lock()
        self._parents += [] if self._loop is None else [self._loop]
        self._thread, self._loop = None, None

    def wait_for(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        *,
        home: asyncio.AbstractEventLoop | None = None,
        seconds: float = _LONGEST,
    ) -> T:
        """What `work` comes to. `home` is the loop it must run in, where it is bound to one.

        Raises:
            LookupUnavailableError: it took longer than `seconds`, or its loop ended.
            ConfigError: the calling thread is the one that would have to do the work.
        """
        loop = self._started() if home is None else home
        if self._is_here(loop, own=home is None):
            raise ConfigError(
                "this thread runs the event loop that it would wait for; await the answer there"
            )
        if loop.is_closed():
            raise LookupUnavailableError("the event loop of the look-up has ended")
        coroutine = work()
        try:
            future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # it was closed between the two
            coroutine.close()
            raise LookupUnavailableError("the event loop of the look-up has ended") from None
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise LookupUnavailableError("nothing was found out in time") from None

    def _is_here(self, loop: asyncio.AbstractEventLoop, *, own: bool) -> bool:
        if own:
            # By the thread: where threads are replaced by greenlets, each of them sees the loop as running.
            return self._thread is threading.current_thread()
        try:
            return asyncio.get_running_loop() is loop
        except RuntimeError:
            return False

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self._loop = loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(loop,), name="admit-loop", daemon=True)
                self._thread.start()
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


OWN_LOOP: Final = OwnLoop()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OWN_LOOP.renew_after_fork)
