"""uvicorn, ended in good order: nobody who was let in is sent away without an answer.

SIGTERM or SIGINT: `/health/ready` says 503 and event streams end; for as long as is set new connections are taken all
the same, and each answer tells its connection to close; then no more are taken, what has begun is finished, and a
connection on which nothing comes is closed.
"""

import asyncio
import contextlib
import selectors
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta

import uvicorn

from admit.cli.connections import State

LET_IN_WITHIN = 2.0
"""Seconds, while a stranger who knocks all the time keeps a server from ending."""


class Server(uvicorn.Server):
    """As uvicorn's. Ended by a signal it exits with code 0: it was asked to end, nothing failed.

    `stopping` is called once, as soon as it is to stop. `most` connections are held at once.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        stopping: Callable[[], None] = lambda: None,
        announce: timedelta = timedelta(0),
        most: int | None = None,
    ) -> None:
        super().__init__(config)
        self.server_state: State = State(most)
        self._tell_stopping = stopping
        self._announce = announce.total_seconds()

    async def main_loop(self) -> None:
        await super().main_loop()
        self.server_state.stopping = True
        self._tell_stopping()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._announce
        while (left := until - loop.time()) > 0 and not self.force_exit:  # noqa: ASYNC110  # a signal handler sets it
            await asyncio.sleep(min(0.1, left))
        # A socket that is closed resets whoever has knocked and was not let in yet; the loop lets in one at a turn.
        until = loop.time() + LET_IN_WITHIN
        while self._knocked() and loop.time() < until:  # noqa: ASYNC110  # the kernel tells nobody when none is left
            await asyncio.sleep(0)

    def _knocked(self) -> bool:
        with selectors.DefaultSelector() as selector:
            for server in self.servers:
                for sock in server.sockets:
                    selector.register(sock.fileno(), selectors.EVENT_READ)
            return bool(selector.select(0))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's own, but the signal is not raised again afterwards."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class QuietServer(Server):
    """One that listens beside another, in the same event loop: signals are the other's, and it stops when told."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
