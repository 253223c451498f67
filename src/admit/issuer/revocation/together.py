"""Doing once, for all who ask at the same time, what each of them must see done after asking."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Runs `work`, one run at a time. Whoever asks gets the outcome of a run that began after the asking.

    Who asks while a run is under way waits for the next one, together with all others who do: fifty verifiers that
    wake at once cost two or three runs. A caller that is cancelled disturbs nobody. Runs of one event loop are
    shared and in order; another loop has runs of its own.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._last: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None  # made, but not begun: whoever asks may join

    async def __call__(self) -> T:
        loop = asyncio.get_running_loop()
        run = self._next
        if run is None or run.done() or run.get_loop() is not loop:
            run = loop.create_task(self._run(self._last))
            run.add_done_callback(_seen)
            self._next = self._last = run
        return await asyncio.shield(run)

    async def _run(self, before: "asyncio.Task[T] | None") -> T:
        if before is not None and not before.done() and before.get_loop() is asyncio.get_running_loop():
            await asyncio.wait((before,))
        if self._next is asyncio.current_task():
            self._next = None
        return await self._work()


def _seen(run: "asyncio.Task[T]") -> None:
    """Its error went to those who wait; there may be none of them left."""
    if not run.cancelled():
        run.exception()
