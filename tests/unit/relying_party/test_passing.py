"""What goes on for long through the proxy: streams, downloads, uploads. A real API answers on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette

from admit.fetch import Fetcher
from admit.integrations.bff import flask
from admit.integrations.bff.starlette import routes
from admit.relying_party import Api, Bff, MemorySessionStore
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire
from tests.plugins.patience import patience, until
from tests.unit.integrations.test_bff import in_django_async

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(octets: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(octets), octets)


@dataclass
class RawApi:
    """An API that says what a test has it say, octet by octet. One connection, one request."""

    script: Script
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
                await self.script(reader, writer)
                await writer.drain()
        finally:
            writer.close()
            self.gone.set()


@dataclass
class Visit:
    """A person who is signed in, and a request of theirs as a server hands it over."""

    bff: Bff
    cookie: str
    csrf: str
    app: Callable[[Bff], Any] | None = None
    sent: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    inbox: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    taking: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, path: str, method: str = "GET", **headers: str) -> "asyncio.Task[None]":
        """Begin a request; what is answered comes to `sent`."""
        told = {"cookie": self.cookie, "origin": APP, "x-csrf-token": self.csrf, **headers}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in told.items()],
        }
        if method == "GET":
            self.inbox.put_nowait({"type": "http.request", "body": b""})
        self.taking.set()

        async def send(message: Any) -> None:
            await self.taking.wait()
            await self.sent.put(message)

        app = Starlette(routes=routes(self.bff)) if self.app is None else self.app(self.bff)
        return asyncio.get_running_loop().create_task(app(scope, self.inbox.get, send))  # type: ignore[arg-type]

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.sent.get(), patience())

    def piece(self, octets: bytes, *, more: bool = True) -> None:
        self.inbox.put_nowait({"type": "http.request", "body": octets, "more_body": more})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})

    async def end(self) -> None:
        """The session ends, as the provider's word would end it."""
        (stored,) = self.bff._context.store._sessions  # type: ignore[attr-defined]
        assert self.bff._context.store.end(stored)


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def visit(script: Script, **settings: Any) -> AsyncIterator[tuple[Visit, RawApi]]:
    """Somebody who signed in, and the API."""
    import httpx2

    api, strange, wire = RawApi(script), Strange(), Wire(loop=asyncio.get_running_loop())
    server = await asyncio.start_server(api.answer, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    clock = settings.pop("clock", None)
    bff = Bff(
        APP,
        providers=[strange.provider(wire)],
        apis=[Api("orders", f"{api.origin}/v1", **settings)],
        store=MemorySessionStore(),
        fetcher=Fetcher(frozenset({api.origin})),
        **({} if clock is None else {"clock": clock}),
    )
    app = Starlette(routes=routes(bff))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=APP) as browser:
        begun = await browser.get("/bff/login")
        done = await browser.get("/bff/callback/id", params=strange.approve(begun.headers["location"]))
        cookie = done.headers["set-cookie"].partition(";")[0]
        csrf = (await browser.get("/bff/session")).json()["csrf_token"]
    try:
        yield Visit(bff, cookie, csrf), api
    finally:
        await bff._context.fetcher.aclose()
        server.close()
        await server.wait_closed()


def under_django(bff: Bff) -> Any:
    return in_django_async(bff).app  # type: ignore[attr-defined]


@pytest.mark.parametrize("app", [None, under_django], ids=["starlette", "django-async"])
async def test_each_event_reaches_the_page_before_the_next_is_made_and_the_api_is_told_when_the_page_leaves(
    app: Callable[[Bff], Any] | None,
) -> None:
    reached = asyncio.Event()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"data: 1\n\n"))
        await reached.wait()
        writer.write(chunk(b"data: 2\n\n"))
        await reader.read()  # until the other side hangs up

    async with visit(events) as (page, api):
        page.app = app
        asked = page.ask("/bff/api/orders/events", last_event_id="7", accept="text/event-stream")
        start = await page.next()
        headers = {name.lower(): value for name, value in start["headers"]}
        assert headers[b"content-type"] == b"text/event-stream"
        assert headers[b"x-accel-buffering"] == b"no"
        assert b"transfer-encoding" not in headers
        assert (await page.next())["body"] == b"data: 1\n\n"
        reached.set()
        assert (await page.next())["body"] == b"data: 2\n\n"
        assert b"\r\nlast-event-id: 7\r\n" in api.heads[0]
        page.leave()
        await asyncio.wait_for(api.gone.wait(), patience())
        await asked


async def test_a_page_that_reads_slowly_makes_the_api_wait() -> None:
    written = 0

    async def download(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n")
        for _ in range(1024):
            writer.write(bytes(65_536))
            await writer.drain()
            written += 65_536

    async with visit(download) as (page, api):
        asked = page.ask("/bff/api/orders/large")
        start = await page.next()
        assert dict(start["headers"])[b"content-length"] == b"67108864"
        page.taking.clear()
        before = -1
        while before != written:  # what fits between the two, and no more
            before = written
            await asyncio.sleep(0.05)
        assert written < 2**25
        page.leave()
        await asyncio.wait_for(api.gone.wait(), patience())
        await asked


async def test_an_upload_is_sent_on_as_it_comes() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def upload(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(b"")
        while (size := int(await reader.readline(), 16)) > 0:
            got.put_nowait(await reader.readexactly(size))
            await reader.readline()
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")

    async with visit(upload) as (page, api):
        asked = page.ask("/bff/api/orders/files", "POST", transfer_encoding="chunked")
        assert await asyncio.wait_for(got.get(), patience()) == b""
        for octets in (b"one", b"two"):
            page.piece(octets)
            assert await asyncio.wait_for(got.get(), patience()) == octets
        page.piece(b"", more=False)
        assert (await page.next())["status"] == 201
        await page.next()
        page.leave()
        await asked
        assert b"\r\ntransfer-encoding: chunked\r\n" in api.heads[0]
        assert b"content-length" not in api.heads[0]


async def test_an_upload_that_outgrows_its_limit_is_refused_and_cut_off_at_the_api() -> None:
    got = bytearray()

    async def upload(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65_536):
            got.extend(octets)

    async with visit(upload, max_bytes=100_000) as (page, api):
        asked = page.ask("/bff/api/orders/files", "POST", content_length="100001")
        assert (await page.next())["status"] == 413
        await page.next()
        await asked
        assert api.heads == []
        asked = page.ask("/bff/api/orders/files", "POST", transfer_encoding="chunked")
        for _ in range(3):
            page.piece(bytes(50_000))
        assert (await page.next())["status"] == 413
        await asyncio.wait_for(api.gone.wait(), patience())
        assert not got.endswith(b"0\r\n\r\n"), "it looks like no whole body"
        await asked


async def test_a_strangers_upload_is_refused_before_any_of_it_is_read() -> None:
    async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("asked")

    async with visit(nobody) as (page, api):
        stranger = replace(page, csrf="A" * 43)
        asked = stranger.ask("/bff/api/orders/files", "POST", content_length="1000000")
        assert (await page.next())["status"] == 403
        await asked
        assert page.inbox.empty()
        assert api.heads == []


async def test_when_the_api_takes_the_token_for_invalid_an_upload_is_asked_for_again() -> None:
    async def picky(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(70_000)
        if b"access-1\r\n" in api.heads[-1]:
            writer.write(
                b'HTTP/1.1 401 No\r\nwww-authenticate: Bearer error="invalid_token"\r\ncontent-length: 0\r\n\r\n'
            )
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with visit(picky) as (page, api):
        for status in (503, 200):
            asked = page.ask("/bff/api/orders/files", "POST", content_length="70000")
            page.piece(bytes(70_000), more=False)
            start = await page.next()
            assert start["status"] == status
            assert (b"retry-after", b"1") in start["headers"] or status == 200
            await page.next()
            page.leave()
            await asked
            page.inbox = asyncio.Queue()


@pytest.mark.threat("SES-5", off="admit.relying_party.bff.sessions:Sessions.lives")
async def test_nothing_reaches_the_page_later_than_the_bound_after_the_session_ended() -> None:
    clock, goes_on = Clock(), asyncio.Event()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for number in range(3):
            writer.write(chunk(b"data: %d\n\n" % number))
            if number < 2:
                await goes_on.wait()
                goes_on.clear()
        await reader.read()

    async with visit(events, clock=clock) as (page, api):
        asked = page.ask("/bff/api/orders/events")
        await page.next()
        assert (await page.next())["body"] == b"data: 0\n\n"
        clock.now += 31
        goes_on.set()
        assert (await page.next())["body"] == b"data: 1\n\n", "the session lives"
        await page.end()
        clock.now += 31
        goes_on.set()
        await asyncio.wait_for(asked, patience())
        assert page.sent.empty(), "cut off, without an end"
        await asyncio.wait_for(api.gone.wait(), patience())


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def saying(octets: bytes) -> Script:
    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)

    return said


ODD = {
    "silent": (silent, 504),
    "hangs-up": (saying(b""), 502),
    "redirect": (
        saying(b"HTTP/1.1 302 F\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n"),
        502,
    ),
    "two-lengths": (saying(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), 502),
    "no-http": (saying(b"SSH-2.0-x\r\n\r\n"), 502),
    "switching": (saying(b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), 502),
}


@pytest.mark.parametrize("kind", sorted(ODD))
async def test_an_api_that_answers_oddly_is_502_and_one_that_is_too_slow_504(kind: str) -> None:
    script, status = ODD[kind]
    async with visit(script, timeout=timedelta(seconds=0.2)) as (page, _):
        asked = page.ask("/bff/api/orders/mine")
        start = await page.next()
        assert start["status"] == status
        assert b"location" not in dict(start["headers"])
        assert b"evil" not in (await page.next())["body"]
        page.leave()
        await asked


async def test_an_answer_that_breaks_off_does_not_look_like_a_whole_one() -> None:
    cut = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    async with visit(cut) as (page, _):
        asked = page.ask("/bff/api/orders/mine")
        assert (await page.next())["status"] == 200
        await asked
        left = [page.sent.get_nowait() for _ in range(page.sent.qsize())]
        assert all(message["more_body"] for message in left)


async def test_in_a_thread_too_pieces_pass_one_by_one_and_the_api_is_hung_up_on() -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"one"))
        await reached.wait()
        writer.write(chunk(b"two"))
        await reader.read()

    async with visit(events) as (page, api):
        app = Flask(__name__)
        app.register_blueprint(flask.blueprint(page.bff))

        def asked() -> list[bytes]:
            client = app.test_client(use_cookies=False)
            answer = client.get("/bff/api/orders/a", headers={"cookie": page.cookie}, buffered=False)
            pieces: Iterator[bytes] = iter(answer.response)  # type: ignore[arg-type]
            got = [next(pieces)]
            loop.call_soon_threadsafe(reached.set)
            got.append(next(pieces))
            answer.close()
            return got

        assert await asyncio.to_thread(asked) == [b"one", b"two"]
        await asyncio.wait_for(api.gone.wait(), patience())
        page.bff._context.fetcher.close()


async def test_a_page_that_leaves_before_the_answer_begins_leaves_nothing_open() -> None:
    begin = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await begin.wait()
        writer.write(HEAD + chunk(b"one"))
        await reader.read()

    async with visit(late) as (page, api):
        asked = page.ask("/bff/api/orders/events")
        await until(lambda: api.heads, "the request")
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asked
        begin.set()
        await asyncio.wait_for(api.gone.wait(), patience())
