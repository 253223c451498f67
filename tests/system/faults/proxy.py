"""A proxy between verifiers and issuers that misbehaves on demand, in the event loop of the test.

    proxy = Proxy([issuer.port])
    await proxy.start(port)
    proxy.cut(); proxy.heal()

It reads HTTP/1.1 only as far as it must: requests are told apart by path, answers are passed on as bytes.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from admit.verifier.boottime import boottime

Answer = Callable[[str], bytes | None]
"""By path: raw bytes to answer with and then close, or None to ask the issuer."""

_PIECE = 16_384
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class Link:
    """One connection of a verifier."""

    writer: asyncio.StreamWriter
    stream: bool = False
    silent: bool = False
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Proxy:
    """`targets` are the issuer nodes' ports; each connection takes the next.

    `heads` are the times of head reads. `exchanges` are beginning and end of each answer that nothing was done to here.
    """

    targets: Sequence[int]
    port: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    heads: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    exchanges: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=10_000))
    _turn: int = 0
    _server: asyncio.Server | None = None
    _links: set[Link] = field(default_factory=set)
    _flow: asyncio.Event = field(default_factory=asyncio.Event)
    _rate: float | None = None
    _hold: int = 0
    _answer: Answer | None = None
    _swallowing: bool = False
    _cutting: bool = False
    _behaves: bool = True
    _turns: int = 0

    def _misbehave(self) -> None:
        self._behaves = False
        self._turns += 1

    async def start(self, port: int | None = None) -> None:
        """Listen, again on the same port unless told otherwise."""
        self.port = port or self.port
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self._flow.set()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._links)

    async def stop(self) -> None:
        """Refuse connections, and cut those that are there."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = [link.task for link in self._links if link.task is not None]
        self.cut_now()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports say that they are closed in the loop's next turn

    async def heal(self) -> None:
        """Behave. What was made silent stays so, as connections do whose other end is gone."""
        self._rate, self._hold, self._answer = None, 0, None
        self._swallowing = self._cutting = False
        self._behaves = True
        self._turns += 1
        if self._server is None:
            await self.start()
        self._flow.set()

    async def refuse(self) -> None:
        """Nobody listens."""
        await self.stop()

    def cut(self) -> None:
        """Cut every connection with a reset, and each that comes."""
        self._misbehave()
        self._cutting = True
        self.cut_now()

    def cut_now(self, *, streams: bool = False) -> None:
        """Reset the connections of this moment, or the streams of them; new ones are good."""
        self._turns += 1
        for link in list(self._links):
            if link.stream or not streams:
                reset(link.writer)

    def silence(self, *, streams: bool = False) -> None:
        """Connections stay open and nothing comes any more; new ones are good."""
        self._turns += 1
        for link in self._links:
            link.silent = link.silent or link.stream or not streams

    def swallow(self) -> None:
        """Half-open: connections are accepted, requests are read, nothing is ever answered."""
        self._misbehave()
        self._swallowing = True
        self.silence()

    def pause(self) -> None:
        """Hold everything, on both ways, until healed; then it goes on where it was."""
        self._misbehave()
        self._flow.clear()

    def slow(self, rate: float) -> None:
        """Answers drip with so many bytes a second."""
        self._misbehave()
        self._rate = rate

    def buffer(self, size: int) -> None:
        """Hold back each answer until it ended or has `size` bytes, as proxies do that buffer."""
        self._misbehave()
        self._hold = size

    def answer(self, answer: Answer | None) -> None:
        """Answer by oneself."""
        self._misbehave()
        self._answer = answer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer, task=asyncio.current_task())
        self._links.add(link)
        target = self.targets[self._turn % len(self.targets)]
        self._turn += 1
        try:
            if self._cutting:
                reset(writer)
                return
            while await self._exchange(reader, link, target):
                link.stream = False
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        except asyncio.CancelledError:
            pass  # only `stop` does that, and asyncio complains of connections that end so
        finally:
            self._links.discard(link)
            with contextlib.suppress(OSError):
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, link: Link, target: int) -> bool:
        """One request and its answer; whether another may come."""
        request = await reader.readuntil(b"\r\n\r\n")
        length = header(request, b"content-length")
        body = await reader.readexactly(int(length)) if length else b""
        path = request.split(b" ", 2)[1].decode("ascii").partition("?")[0]
        self.requests[path] += 1
        if path == "/status/head":
            self.heads.append(boottime())
        link.stream = path == "/status/events"
        await self._flow.wait()
        if self._swallowing or link.silent:
            link.silent = True
            while await reader.read(_PIECE):
                pass
            return False
        own = self._answer(path) if self._answer is not None else None
        if own is not None:
            await self._send(link, own)
            return False
        began, turns = boottime(), self._turns
        kept = await self._relay(reader, link, target, closing(request) + body)
        if not link.stream and self._behaves and turns == self._turns:
            self.exchanges.append((began, boottime()))
        return kept

    async def _relay(self, reader: asyncio.StreamReader, link: Link, target: int, request: bytes) -> bool:
        """Ask the issuer and pass its answer on; whether the connection may be used again."""
        upstream, writer = await asyncio.open_connection("127.0.0.1", target)
        try:
            writer.write(request)
            if not link.stream:
                return await self._pass_on(upstream, link)
            # A stream ends when either end goes; a verifier says nothing more on it.
            both = [asyncio.create_task(self._pass_on(upstream, link)), asyncio.create_task(reader.read(1))]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
            return False
        finally:
            writer.close()

    async def _pass_on(self, upstream: asyncio.StreamReader, link: Link) -> bool:
        head = await upstream.readuntil(b"\r\n\r\n")
        left = length_of(head)
        gathered = bytearray()
        piece = without_close(head)
        while True:
            gathered += piece
            if len(gathered) >= self._hold:
                await self._send(link, bytes(gathered))
                gathered.clear()
            if left == 0 or not (piece := await upstream.read(_PIECE)):
                break
            left = None if left is None else left - len(piece)
        await self._send(link, bytes(gathered))
        return left == 0

    async def _send(self, link: Link, data: bytes) -> None:
        """Pass bytes on, in the way that the present fault has it."""
        if self._rate is not None:
            step = max(1, int(self._rate / 20))
            for start in range(0, len(data), step):
                await self._put(link, data[start : start + step])
                await asyncio.sleep(step / self._rate if self._rate is not None else 0)
        else:
            await self._put(link, data)

    async def _put(self, link: Link, data: bytes) -> None:
        await self._flow.wait()
        if not link.silent:
            link.writer.write(data)
            await link.writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close without a word: the other end gets a reset."""
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def header(head: bytes, name: bytes) -> bytes | None:
    """The value of a header field, if it is there."""
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip()
    return None


def closing(request: bytes) -> bytes:
    """The request as it goes on: each has a connection of its own, which ends with the answer."""
    lines = [line for line in request.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines[:-2], b"Connection: close", b"", b""])


def without_close(head: bytes) -> bytes:
    """The answer's head as the verifier gets it: where it says how long it is, the connection is kept."""
    if length_of(head) is None:
        return head
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:"))


def length_of(head: bytes) -> int | None:
    """How many bytes come after the head; None where only the end of the connection, or a last chunk, tells."""
    status = head.split(b" ", 2)[1]
    if status in (b"204", b"304"):
        return 0
    length = header(head, b"content-length")
    return int(length) if length is not None else None


def http(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


def reset_answer(answer: bytes) -> bytes:
    """A kept answer as it may be given again: it says that the connection ends, as it does."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"connection: close", b"", b""]) + body


def since(times: Sequence[float] | deque[float], began: float) -> list[float]:
    """Seconds from `began`, of all times that came after it."""
    return [at - began for at in times if at >= began]


async def until(met: Callable[[], bool], within: float, what: str = "what is waited for") -> float:
    """Wait until it holds; the seconds that took. Raises AssertionError when it takes longer than `within`."""
    began = time.monotonic()
    while not met():
        if time.monotonic() - began > within:
            raise AssertionError(f"{what} did not come within {within:.1f} s")
        await asyncio.sleep(0.01)
    return time.monotonic() - began
