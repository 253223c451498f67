"""What a stranger may send before anything of ours runs, over a real socket on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from admit.cli import http
from admit.cli.http import MAX_HEAD, MAX_HEADERS, BoundedProtocol
from tests.fixtures.smuggling import smuggled

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body and says how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        port=0,
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def answer(port: int, *parts: bytes, until_closed: bool = False) -> bytes:
    """What comes back; the parts are sent one after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        reading = reader.read(-1) if until_closed else reader.read(65_536)
        return await asyncio.wait_for(reading, 5)
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


async def test_an_ordinary_request_passes_whole_and_in_pieces(port: int) -> None:
    cookie = b"Cookie: a=" + b"c" * 16_000 + b"\r\n"
    assert (await answer(port, START + cookie + b"\r\n")).startswith(b"HTTP/1.1 200")
    pieces = [START, cookie[:5_000], cookie[5_000:10_000], cookie[10_000:], b"\r\n"]
    assert (await answer(port, *pieces)).startswith(b"HTTP/1.1 200")
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n" + b"b" * 65_536
    assert (await answer(port, post)).endswith(b"65536"), "a body is no head"
    twice = post + START + b"Connection: close\r\n\r\n"
    assert (await answer(port, twice, until_closed=True)).count(b"HTTP/1.1 200") == 2


@pytest.mark.threat("INF-size", off="admit.cli.http:check_head")
@pytest.mark.parametrize(
    "parts",
    [
        (START + b"X: " + b"a" * MAX_HEAD + b"\r\n\r\n",),
        (START + b"".join(b"X%d: a\r\n" % number for number in range(MAX_HEADERS)) + b"\r\n",),
        (START + b"".join(b"X%d: %s\r\n" % (number, b"a" * 1_000) for number in range(40)) + b"\r\n",),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",),
        (START + b"X: ", *[b"a" * 10_000] * 5, b"\r\n\r\n"),
        (b"GET /", *[b"a" * 10_000] * 5, b" HTTP/1.1\r\n\r\n"),
    ],
    ids=["one large", "too many", "together", "address", "growing", "growing address"],
)
async def test_a_large_head_is_refused_before_it_is_kept(port: int, parts: tuple[bytes, ...]) -> None:
    assert (await answer(port, *parts)).startswith((b"HTTP/1.1 431", b"reset"))


@pytest.mark.threat("INF-size", off="admit.cli.http:too_late")
@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTT", START, START + b"Content-Length: 9\r\n\r\nabc"],
    ids=["nothing", "a line", "a head", "a body"],
)
async def test_a_request_that_does_not_come_to_its_end_is_given_up(
    port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_WITHIN", 0.2)
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    try:
        async with asyncio.timeout(2):
            assert await reader.read() == b""
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert time.monotonic() - began < 2


@pytest.mark.threat("INF-smuggle", off="admit.cli.http:check_framing")
@pytest.mark.rfc("9112", "6.3")
async def test_a_request_whose_end_can_be_read_in_two_ways_gets_no_second_answer(port: int) -> None:
    seen: dict[str, list[bytes]] = {}
    for name, octets in smuggled("localhost").items():
        got = await answer(port, octets, until_closed=True)
        seen[name] = [line.split()[1] for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert {name: codes for name, codes in seen.items() if codes != [b"400"]} == {}


async def test_one_way_to_tell_the_end_is_taken(port: int) -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    again = START + b"Connection: close\r\n\r\n"
    got = await answer(port, chunked + again, until_closed=True)
    assert got.count(b"HTTP/1.1 200") == 2
    assert b"\r\n\r\n3" in got


async def test_what_cannot_be_read_never_stands_inside_the_answer_to_the_request_before(port: int) -> None:
    slow = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
    got = await answer(port, slow + b"abc" + b"nonsense\r\n\r\n", until_closed=True)
    assert got.startswith(b"HTTP/1.1 200")
    assert got.count(b"HTTP/1.1") <= 2
    assert got.split(b"\r\n\r\n")[1].startswith(b"3")


@pytest.mark.threat("INF-size", off="admit.cli.http:too_late")
async def test_many_who_never_finish_a_request_do_not_shut_others_out(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_WITHIN", 0.5)
    waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
    try:
        for _, writer in waiting:
            writer.write(START + b"X: ")
        began = time.monotonic()
        assert (await answer(port, START + b"\r\n")).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began < 0.4
        async with asyncio.timeout(3):
            ended = await asyncio.gather(*(reader.read() for reader, _ in waiting), return_exceptions=True)
    finally:
        for _, writer in waiting:
            writer.close()
    assert {one for one in ended if not isinstance(one, ConnectionError)} <= {b""}
