"""Requests at their due times, whether or not earlier ones were answered: what people do, who do not wait for others.

`Client` keeps connections open and opens more where all are in use. `at_rate` begins each piece of work when it is due.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.harness.load import Answer
from benchmarks.harness.programs import HOST

_KEPT = 4.0
"""Seconds for which an idle connection is used again; servers close theirs after 5 or more."""
_PATIENCE = 30.0


class Client:
    """Connections to one port. Answers carry a length or no body: anything else ends the benchmark."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: bytes) -> Answer:
        """One request, made by `load.request`, and its answer. Raises OSError, EOFError or TimeoutError without one."""
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await self._connection()
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                fields = _fields(head)
                if b"transfer-encoding" in fields:
                    raise SystemExit("an answer without a length: this client does not read those")
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
            except BaseException:
                writer.close()
                raise
        if fields.get(b"connection", b"").lower() == b"close":
            writer.close()
        else:
            self._idle.append((time.perf_counter(), reader, writer))
        return Answer(int(head[9:12]), head, body)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.perf_counter() - since < _KEPT and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(HOST, self.port)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[2].close()


def _fields(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


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
