"""Load over keep-alive connections. Each connection follows a script: a generator that yields requests as octets and
is sent the answers, so that a script can check every answer and use what it was given (rotated tokens, cookies).
"""

import asyncio
import time
from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple, TypeAlias, cast

import uvloop

from benchmarks.harness.programs import HOST


class Answer(NamedTuple):
    status: int
    head: bytes
    body: bytes


Script: TypeAlias = Generator[bytes, Answer, None]


def request(
    method: str, path: str, *, host: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "accept: */*", "user-agent: bench"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def expect(answer: Answer, status: int) -> Answer:
    """End the benchmark when an answer is not what was meant to be measured."""
    if answer.status != status:
        raise SystemExit(f"an answer {answer.status} where {status} was due: {answer.body[:200]!r}")
    return answer


class _Budget:
    def __init__(self, count: int, deadline: float) -> None:
        self.left = count
        self.deadline = deadline

    def take(self) -> bool:
        if self.left <= 0 or time.perf_counter() > self.deadline:
            return False
        self.left -= 1
        return True


class _Connection(asyncio.Protocol):
    """One script at work. What it would ask next is kept when the budget is spent, for the next run."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.pending = next(script)
        self.answers = 0

    def begin(self, budget: _Budget) -> None:
        self.budget = budget
        self.buffer = b""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self.go_on()

    def go_on(self) -> None:
        if self.budget.take():
            self.transport.write(self.pending)
        else:
            self.transport.close()
            if not self.over.done():
                self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.buffer = data if not self.buffer else self.buffer + data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end]
        at = head.lower().find(b"content-length: ")
        length = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        answer = Answer(int(head[9:12]), head, self.buffer[end + 4 : end + 4 + length])
        self.buffer = b""
        self.answers += 1
        try:
            self.pending = self.script.send(answer)
        except StopIteration:
            self.transport.close()
            if not self.over.done():
                self.over.set_result(None)
            return
        except BaseException as error:
            self.transport.close()
            if not self.over.done():
                self.over.set_exception(RuntimeError(str(error)))
            return
        self.go_on()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError("the server closed a connection under load"))


class Load:
    """Scripts, each on a connection of its own. `run` may be called again: the scripts go on where they stood."""

    def __init__(self, port: int, scripts: Iterable[Script]) -> None:
        self.port = port
        self._connections = [_Connection(script) for script in scripts]

    @property
    def answers(self) -> int:
        """How many answers came so far."""
        return sum(connection.answers for connection in self._connections)

    async def run(self, count: int = 2**62, seconds: float = 600.0) -> int:
        """Ask `count` times in all, or for so many seconds; how many answers came."""
        before = self.answers
        budget = _Budget(count, time.perf_counter() + seconds)
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            connection.begin(budget)
            await loop.create_connection(lambda connection=connection: connection, HOST, self.port)  # type: ignore[misc]  # a default binds it now
        await asyncio.gather(*(connection.over for connection in self._connections))
        return self.answers - before


runner = uvloop.run
"""Runs a benchmark's coroutine; the load is to take as little of the machine as may be."""
