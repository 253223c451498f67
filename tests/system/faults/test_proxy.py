"""The proxy misbehaves just as it says, and not otherwise."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest

from tests.fixtures.processes import free_port
from tests.system.faults.proxy import Proxy, http, until

pytestmark = pytest.mark.anyio
BODY = b"b" * 5_000


class Upstream:
    """Answers with `BODY`; a stream of events tells `tick` twenty times a second."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            request = await reader.readuntil(b"\r\n\r\n")
            if b"/status/events" not in request:
                writer.write(http(BODY))
                await writer.drain()
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                while True:
                    writer.write(b"tick\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self.tasks.discard(task)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    made = Proxy([server.sockets[0].getsockname()[1]])
    await made.start(free_port())
    yield made
    await made.stop()
    server.close()
    for task in upstream.tasks:
        task.cancel()
    await asyncio.gather(*upstream.tasks)


Visit: TypeAlias = "Callable[[], Client]"


class Client:
    """One kept connection."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def get(self, path: str = "/", within: float = 2.0) -> bytes:
        """The body of an answer. Raises OSError, EOFError or TimeoutError when none comes."""
        async with asyncio.timeout(within):
            if not hasattr(self, "reader"):
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._proxy.port)
            self.writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            head = await self.reader.readuntil(b"\r\n\r\n")
            if b"event-stream" in head:
                return await self.reader.readexactly(10)
            return await self.reader.readexactly(len(BODY))

    async def count(self, during: float = 0.3) -> int:
        """How many bytes come in this time."""
        heard = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(during):
                while piece := await self.reader.read(1_000):
                    heard += len(piece)
        return heard

    async def close(self) -> None:
        """Hang up."""
        if hasattr(self, "writer"):
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()


@pytest.fixture
async def visit(proxy: Proxy) -> AsyncIterator[Visit]:
    """Makes clients, each with a connection of its own."""
    made: list[Client] = []

    def new() -> Client:
        made.append(Client(proxy))
        return made[-1]

    yield new
    for one in made:
        await one.close()


@pytest.fixture
def client(visit: Visit) -> Client:
    return visit()


async def test_passes_on_over_one_connection_and_counts(proxy: Proxy, client: Client) -> None:
    assert await client.get() == BODY
    assert await client.get("/status/head?nonce=x") == BODY
    assert (proxy.requests["/"], proxy.requests["/status/head"], len(proxy.heads)) == (1, 1, 1)


async def test_a_cut_resets_and_healing_takes_anew(proxy: Proxy, client: Client, visit: Visit) -> None:
    await client.get()
    proxy.cut()
    for one in (client, visit()):
        with pytest.raises((OSError, EOFError)):
            await one.get()
    await proxy.heal()
    assert await visit().get() == BODY


async def test_nobody_listens_until_healed(proxy: Proxy, visit: Visit) -> None:
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await visit().get()
    await proxy.heal()
    assert await visit().get() == BODY


async def test_what_is_held_goes_on_where_it_was(proxy: Proxy, client: Client) -> None:
    proxy.pause()
    asked = asyncio.create_task(client.get())
    await asyncio.wait([asked], timeout=0.1)
    assert not asked.done()
    await proxy.heal()
    assert await asked == BODY


async def test_half_open_connections_stay_dead_and_new_ones_do_not(
    proxy: Proxy, client: Client, visit: Visit
) -> None:
    await client.get()
    proxy.swallow()
    with pytest.raises(TimeoutError):
        await client.get(within=0.1)
    await proxy.heal()
    with pytest.raises(TimeoutError):
        await client.get(within=0.1)
    assert await visit().get() == BODY


async def test_a_slow_answer_takes_as_long_as_its_bytes(proxy: Proxy, client: Client) -> None:
    proxy.slow(20_000)
    began = asyncio.get_running_loop().time()
    await client.get()
    assert asyncio.get_running_loop().time() - began > 0.2


async def test_streams_alone_are_cut_or_silenced(proxy: Proxy, client: Client, visit: Visit) -> None:
    stream = visit()
    assert await stream.get("/status/events") == b"tick\ntick\n"
    await client.get()
    proxy.cut_now(streams=True)
    with pytest.raises((OSError, EOFError)):
        await stream.reader.readexactly(1_000)
    assert await client.get() == BODY
    stream = visit()
    await stream.get("/status/events")
    assert await stream.count() > 0
    proxy.silence(streams=True)
    await stream.count(0.1)
    assert await stream.count() == 0
    assert await client.get() == BODY


async def test_a_buffering_proxy_gives_out_answers_and_no_stream(
    proxy: Proxy, client: Client, visit: Visit
) -> None:
    proxy.buffer(65_536)
    assert await client.get() == BODY
    with pytest.raises(TimeoutError):
        await visit().get("/status/events", within=0.3)


async def test_answers_of_its_own_are_for_the_paths_that_have_one(proxy: Proxy, visit: Visit) -> None:
    other = b"o" * len(BODY)
    proxy.answer(lambda path: http(other) if path == "/a" else None)
    assert await visit().get("/a") == other
    assert await visit().get("/b") == BODY


async def test_a_verifier_that_hangs_up_ends_its_stream_at_the_issuer(proxy: Proxy, visit: Visit) -> None:
    stream = visit()
    await stream.get("/status/events")
    stream.writer.close()
    await until(lambda: proxy.open == 0, 2.0, "the end of the stream")
