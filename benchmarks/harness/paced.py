"""Requests at their due times, whether or not earlier ones were answered: what people do, who do not wait for others.

`Client` keeps connections open and opens more where all are in use. `at_rate` begins each piece of work when it is due.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from benchmarks.harness.load import Answer
from benchmarks.harness.programs import HOST

_KEPT = 4.0
"""Seconds for which an idle connection is used again; servers close theirs after 5 or more."""
_PATIENCE = 30.0


class Client:
    """Connections to one port. Answers carry a length or no body: anything else ends the benchmark.

    It shares the machine with what it measures, so it does as little as it can for each answer.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list[tuple[float, _Wire]] = []

    async def ask(self, request: bytes) -> Answer:
        """One request, made by `load.request`, and its answer. Raises OSError, EOFError or TimeoutError without one."""
        async with asyncio.timeout(_PATIENCE):
            wire = await self._connection()
            try:
                answer = await wire.ask(request)
            except BaseException:
                wire.close()
                raise
        if b"\r\nconnection: close" in answer.head:
            wire.close()
        else:
            self._idle.append((time.perf_counter(), wire))
        return answer

    async def _connection(self) -> "_Wire":
        while self._idle:
            since, wire = self._idle.pop()
            if time.perf_counter() - since < _KEPT and not wire.over:
                return wire
            wire.close()
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(_Wire, HOST, self.port)
        return made

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].close()


class _Wire(asyncio.Protocol):
    """One connection, one question at a time."""

    over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._buffer = b""
        self._answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Raises EOFError where the server closes."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4 or self._answer is None:
            return
        head = self._buffer[:end].lower()
        if b"\r\ntransfer-encoding:" in head:
            raise SystemExit("an answer without a length: this client does not read those")
        _, named, after = head.partition(b"\r\ncontent-length:")
        length = int(after.split(b"\r", 1)[0]) if named else 0
        if len(self._buffer) >= end + length:
            answer, self._answer = self._answer, None
            body, self._buffer = self._buffer[end : end + length], b""
            if not answer.done():
                answer.set_result(Answer(int(head[9:12]), head, body))

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(EOFError("the server closed a connection"))

    def close(self) -> None:
        """Harmless when it is closed."""
        self._transport.close()


@dataclass(slots=True)
class Pace:
    """How it went: the seconds by which the latest began late, and what failed, with when by `time.monotonic`."""

    late: float = 0.0
    failed: list[tuple[float, str]] = field(default_factory=list)

    async def begin(self, work: Awaitable[object]) -> bool:
        """Do it, and say whether it was done; a failure is noted and ends nothing."""
        try:
            await work
        except (Exception, SystemExit) as error:
            self.failed.append((time.monotonic(), f"{type(error).__name__} {error}"))
            return False
        return True


async def at_rate(
    rate: float, count: int, work: Callable[[int], Awaitable[object]], pace: Pace | None = None
) -> Pace:
    """Begin `work(0)`, `work(1)` … at `rate` a second, then wait for all. `pace` is told of what fails meanwhile."""
    loop = asyncio.get_running_loop()
    began, told = loop.time(), Pace() if pace is None else pace
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = began + number / rate
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            told.late = max(told.late, loop.time() - due)
            group.create_task(told.begin(work(number)))
    return told


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
