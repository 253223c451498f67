"""What a stranger may send before anything of ours runs, over a real socket on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from admit.cli import http
from admit.cli.http import MAX_HEAD, MAX_HEADERS, BoundedProtocol
from admit.cli.server import Server
from tests.fixtures.smuggling import UPGRADE, smuggled
from tests.plugins.patience import patience

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


HELD: "asyncio.Queue[asyncio.Event]" = asyncio.Queue()
"""One for each answer to `/held`, which waits for it."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body and says how long it was."""
    size, more = 0, True
    if scope["path"] == "/held":
        go = asyncio.Event()
        HELD.put_nowait(go)
        await go.wait()
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b" " * 20_000_000 if scope["path"] == "/large" else str(size).encode()
    body += b"".join(value for name, value in scope["headers"] if name == b"x-told")
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """Of a server; a test may say how many connections it holds, and how long one without a request is kept."""
    asked = {"most": None, "keep_alive": 75.0} | getattr(request, "param", {})
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        port=0,
        timeout_keep_alive=asked["keep_alive"],
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = Server(config, most=asked["most"])
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
        return await asyncio.wait_for(reading, patience())
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


async def test_many_small_requests_in_a_row_are_no_large_head(port: int) -> None:
    """Each piece ends inside a head, at the same place as the piece before."""
    whole = START + b"\r\n"
    cut = len(START) - 1
    row = whole[cut:] + whole * 1_000 + whole[:cut]
    ended = whole[cut:] + START + b"Connection: close\r\n\r\n"
    got = await answer(port, whole[:cut], row, row, ended, until_closed=True)
    assert got.count(b"HTTP/1.1 200") == 2 * 1_001 + 2
    assert b"HTTP/1.1 431" not in got


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
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    try:
        async with asyncio.timeout(patience()):
            assert await reader.read() == b""
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.mark.threat("INF-smuggle", off="admit.cli.http:check_framing")
@pytest.mark.rfc("9112", "6.3")
async def test_a_request_whose_end_can_be_read_in_two_ways_gets_no_second_answer(port: int) -> None:
    seen: dict[str, list[bytes]] = {}
    for name, octets in smuggled("localhost").items():
        got = await answer(port, octets, until_closed=True)
        seen[name] = [line.split()[1] for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert {name: codes for name, codes in seen.items() if codes != [b"400"]} == {}


@pytest.mark.threat("INF-smuggle", off="admit.cli.http:check_upgrade")
@pytest.mark.rfc("9110", "7.8")
async def test_a_body_behind_an_upgrade_is_never_the_next_request(port: int) -> None:
    inner = START + b"\r\n"
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n" % (len(inner), UPGRADE)
    for parts in ((head + inner,), (head, inner)):
        got = await answer(port, *parts, until_closed=True)
        assert got.count(b"HTTP/1.1 ") == 1
        assert got.startswith(b"HTTP/1.1 400")


async def test_who_would_rather_speak_another_protocol_is_answered_in_this_one_once(port: int) -> None:
    for more in (b"", START + b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        got = await answer(port, START + UPGRADE + b"\r\n" + more, until_closed=True)
        assert got.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in got
        assert got.count(b"HTTP/1.1 ") == 1


async def test_one_way_to_tell_the_end_is_taken(port: int) -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    again = START + b"Connection: close\r\n\r\n"
    got = await answer(port, chunked + again, until_closed=True)
    assert got.count(b"HTTP/1.1 200") == 2
    assert b"\r\n\r\n3" in got


@pytest.mark.threat("9700-proxy", off="admit.cli.http:is_trailer")
@pytest.mark.rfc("9110", "6.5.1")
async def test_a_field_behind_the_body_is_no_header(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nX-Told: one\r\n\r\n"
    body, trailers = b"3\r\nabc\r\n0\r\n", b"X-Told: two\r\nHost: evil.example\r\n\r\n"
    again = START + b"X-Told: three\r\nConnection: close\r\n\r\n"
    for parts in ((head + body + trailers + again,), (head, body, trailers, again)):
        got = await answer(port, *parts, until_closed=True)
        assert [one.partition(b"HTTP/")[0] for one in got.split(b"\r\n\r\n")[1:]] == [b"3one", b"0three"]


async def test_fields_behind_the_body_are_bounded_as_well(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    got = await answer(port, head + b"".join(b"X%d: %s\r\n" % (n, b"a" * 1_000) for n in range(40)) + b"\r\n")
    assert b"HTTP/1.1 200" not in got


@pytest.mark.threat("PWD-7", off="admit.cli.http:check_target")
@pytest.mark.rfc("9112", "3.2.2")
@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.example/",
        b"http://localhost@evil.example/",
        b"http://evil.example@localhost/",
        b"http://localhost:81/",
        b"http://evil.example/?http://localhost/",
        b"ftp://localhost/",
    ],
)
async def test_a_target_that_names_another_host_than_host_is_refused(port: int, target: bytes) -> None:
    assert (await asked_as(port, target)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("target", [b"http://localhost/", b"HTTP://LOCALHOST/x?y", b"/?http://evil.example/"])
async def test_a_target_that_names_the_same_host_is_answered(port: int, target: bytes) -> None:
    assert (await asked_as(port, target)).startswith(b"HTTP/1.1 200")


async def asked_as(port: int, target: bytes) -> bytes:
    return await answer(port, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")


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
    for within in (2 * patience(), 0.3):  # they stay longer than anybody waits; then they do not
        monkeypatch.setattr(http, "READ_WITHIN", within)
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        for _, writer in waiting:
            writer.write(START + b"X: ")
        try:
            assert (await answer(port, START + b"\r\n")).startswith(b"HTTP/1.1 200")
            if within < 1:
                async with asyncio.timeout(patience()):
                    ended = await asyncio.gather(*(one.read() for one, _ in waiting), return_exceptions=True)
        finally:
            for _, writer in waiting:
                writer.close()
    assert {one for one in ended if not isinstance(one, ConnectionError)} <= {b""}


SOON = pytest.mark.parametrize("port", [{"keep_alive": 0.3}], ids=["soon"], indirect=True)


async def end_of(reader: asyncio.StreamReader) -> bytes | None:
    """What still comes until the end; None where there is none."""
    try:
        async with asyncio.timeout(patience()):
            return await reader.read()
    except TimeoutError:
        return None


async def end_after(port: int, more: bytes) -> bytes | None:
    """What still comes after one answer and these octets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(START + b"\r\n")
    assert (await reader.read(65_536)).startswith(b"HTTP/1.1 200")
    writer.write(more)
    try:
        return await end_of(reader)
    finally:
        writer.close()


@SOON
async def test_a_connection_on_which_nothing_is_asked_is_closed(port: int) -> None:
    assert await end_after(port, b"") == b""


@SOON
@pytest.mark.threat("INF-size", off="admit.cli.http:time_left")
async def test_an_empty_line_is_no_request_and_keeps_no_connection(port: int) -> None:
    assert await end_after(port, b"\r\n") == b""


async def test_after_an_empty_line_the_next_request_is_answered(port: int) -> None:
    """RFC 9112 §2.2."""
    got = await answer(
        port, START + b"\r\n", b"\r\n", START + b"Connection: close\r\n\r\n", until_closed=True
    )
    assert got.count(b"HTTP/1.1 200") == 2


@pytest.mark.threat("INF-size", off="admit.cli.http:stands_still")
async def test_who_does_not_read_his_answers_is_left(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WRITE_WITHIN", 0.2)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")

        async def knock() -> None:
            while True:
                await loop.sock_sendall(sock, b"\r\n")
                await asyncio.sleep(0.02)

        done, _ = await asyncio.wait([knocking := asyncio.create_task(knock())], timeout=patience())
        knocking.cancel()
        assert done, "it is still open"
        assert isinstance(knocking.exception(), ConnectionError)


@pytest.mark.threat("INF-size", off="admit.cli.connections:has_room")
@pytest.mark.parametrize("port", [{"most": 4}], ids=["four"], indirect=True)
async def test_who_has_waited_for_longest_makes_room_and_a_request_that_is_whole_is_answered(
    port: int,
) -> None:
    waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    used, used_writer = waiting[0]
    try:
        used_writer.write(START + b"\r\n")
        assert (await used.read(65_536)).startswith(b"HTTP/1.1 200")
        assert (await answer(port, START + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await end_of(waiting[1][0]) == b"", "the oldest that asked nothing"
        used_writer.write(START + b"\r\n")
        assert (await used.read(65_536)).startswith(b"HTTP/1.1 200"), "one that was used since"
    finally:
        for _, writer in waiting:
            writer.close()


@pytest.mark.parametrize("port", [{"most": 2}], ids=["two"], indirect=True)
async def test_where_every_connection_is_being_answered_the_next_one_is_told_to_come_back(port: int) -> None:
    asking = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    for _, writer in asking:
        writer.write(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n")
    held = [await asyncio.wait_for(HELD.get(), patience()) for _ in asking]
    refused = await answer(port, until_closed=True)
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1\r\n" in refused
    for one in held:
        one.set()
    for reader, writer in asking:
        assert (await reader.read(65_536)).startswith(b"HTTP/1.1 200")
        writer.close()
