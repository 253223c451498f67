"""WebSockets of a page that go on to an API, which is a real server on loopback."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import httpx2
import pytest
from starlette.applications import Starlette
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.typing import Subprotocol

from admit.errors import ConfigError
from admit.fetch import Fetcher
from admit.integrations.bff import django, flask
from admit.integrations.bff.starlette import routes
from admit.relying_party import Api, Bff, MemorySessionStore
from admit.relying_party.bff import sockets
from admit.relying_party.bff.passing import Closed, Watch
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire
from tests.plugins.patience import patience

Handler = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Scene:
    """Somebody who is signed in, and what the API was asked."""

    bff: Bff
    cookie: str
    seen: list[Request]
    connections: list[ServerConnection] = field(default_factory=list)

    def open(self, path: str = "/bff/api/orders/live", **headers: str) -> "Half":
        """The page opens a WebSocket."""
        told = {"cookie": self.cookie, "origin": APP, **headers}
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"a=%20b",
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in told.items() if value
            ],
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        half = Half()
        half.inbox.put_nowait({"type": "websocket.connect"})
        app = Starlette(routes=routes(self.bff))
        half.task = asyncio.create_task(app(scope, half.inbox.get, half.sent.put))  # type: ignore[arg-type]
        return half

    def end(self) -> None:
        """The session ends, as the provider's word would end it."""
        (stored,) = self.bff._context.store._sessions  # type: ignore[attr-defined]
        assert self.bff._context.store.end(stored)


class Half:
    """The page's half, as a server hands it over."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def next(self) -> dict[str, Any]:
        found: dict[str, Any] = await asyncio.wait_for(self.sent.get(), patience())
        return found

    async def status(self) -> int:
        """Of a refusal."""
        start = await self.next()
        assert start["type"] == "websocket.http.response.start", start
        await self.next()
        await self.over()
        return int(start["status"])

    def say(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        self.inbox.put_nowait({"type": "websocket.receive", kind: message})

    def leave(self, code: int = 1000) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": code, "reason": "bye"})

    async def over(self) -> None:
        assert self.task is not None
        await asyncio.wait_for(self.task, patience())


def chosen(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("v2.chat") if "v2.chat" in offered else None


@contextlib.asynccontextmanager
async def scene(
    handler: Handler, *, process: Any = None, recheck: timedelta = timedelta(seconds=30), **settings: Any
) -> AsyncIterator[Scene]:
    seen: list[Request] = []

    def first(connection: ServerConnection, request: Request) -> Response | None:
        seen.append(request)
        answer: Response | None = process(request) if process else None
        return answer

    strange, wire = Strange(), Wire(loop=asyncio.get_running_loop())
    async with serve(handler, "127.0.0.1", 0, process_request=first, select_subprotocol=chosen) as server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        bff = Bff(
            APP,
            providers=[strange.provider(wire)],
            apis=[
                Api("orders", f"{origin}/v1", websockets=True, **settings),
                Api("plain", f"{origin}/v1"),
                Api("away", "http://127.0.0.1:9", websockets=True),
            ],
            store=MemorySessionStore(),
            fetcher=Fetcher(frozenset({origin, "http://127.0.0.1:9"})),
            recheck=recheck,
        )
        app = Starlette(routes=routes(bff))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=APP) as browser:
            begun = await browser.get("/bff/login")
            done = await browser.get("/bff/callback/id", params=strange.approve(begun.headers["location"]))
        yield Scene(bff, done.headers["set-cookie"].partition(";")[0], seen)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)
        if message == "end":
            await connection.close(4321, "enough")


async def test_messages_pass_both_ways_with_the_persons_token_and_without_the_cookie() -> None:
    async with scene(echo) as there:
        page = there.open(authorization="Bearer made-up", sec_websocket_protocol="v1.chat, v2.chat")
        assert await page.next() == {"type": "websocket.accept", "subprotocol": "v2.chat"}
        asked = there.seen[0]
        assert asked.path == "/v1/live?a=%20b"
        assert asked.headers["authorization"] == "Bearer access-1"
        assert not {"cookie", "origin"} & {name.lower() for name in asked.headers}
        assert "sec-websocket-extensions" not in asked.headers
        for message in ("hello", b"\x00\xff", "\u4f60\u597d", "a" * 100_000):
            page.say(message)
            kind = "text" if isinstance(message, str) else "bytes"
            assert await page.next() == {"type": "websocket.send", kind: message}
        page.say("end")
        assert (await page.next())["text"] == "end"
        assert await page.next() == {"type": "websocket.close", "code": 4321, "reason": "enough"}
        await page.over()


async def test_when_the_page_leaves_the_api_is_told_how() -> None:
    left: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

    async def waits(connection: ServerConnection) -> None:
        await connection.wait_closed()
        left.put_nowait((connection.close_code, connection.close_reason))

    async with scene(waits) as there:
        for code, told in ((4000, (4000, "bye")), (1006, (1000, ""))):
            page = there.open()
            await page.next()
            page.leave(code)
            assert await asyncio.wait_for(left.get(), patience()) == told
            await page.over()
            assert page.sent.empty()


@pytest.mark.threat("WEB-csrf", off="admit.relying_party.bff.forwarding:check_page")
@pytest.mark.rfc("6455", "10.2")
async def test_no_other_sites_page_and_no_stranger_opens_one() -> None:
    async with scene(echo) as there:
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": ""},
            {"sec_fetch_site": "cross-site"},
        ):
            assert await there.open(**headers).status() == 403
        assert await there.open(cookie="").status() == 401
        assert await there.open(cookie=there.cookie[:-8] + "AAAAAAAA").status() == 401
        for path, status in (
            ("plain/live", 400),
            ("else/live", 400),
            ("orders/%2e%2e/admin", 400),
            ("orders//x", 400),
            ("away/live", 502),
        ):
            assert await there.open(f"/bff/api/{path}").status() == status, path
        assert there.seen == []


async def test_what_the_api_refuses_is_refused_and_a_token_that_it_takes_for_invalid_is_renewed_once() -> (
    None
):
    def picky(request: Request) -> Response | None:
        token = request.headers["authorization"]
        if token == "Bearer access-1" or "never" in request.path:
            told = Headers([("WWW-Authenticate", 'Bearer error="invalid_token"'), ("Content-Length", "0")])
            return Response(401, "No", told, b"")
        if "redirect" in request.path:
            return Response(302, "F", Headers([("Location", "/evil"), ("Content-Length", "0")]), b"")
        return None

    async with scene(echo, process=picky) as there:
        page = there.open()
        assert (await page.next())["type"] == "websocket.accept"
        assert [one.headers["authorization"] for one in there.seen] == ["Bearer access-1", "Bearer access-2"]
        page.leave()
        await page.over()
        assert await there.open("/bff/api/orders/never").status() == 502
        assert len(there.seen) == 3, "the one that came in the place of a refused one is not replaced at once"
        assert await there.open("/bff/api/orders/redirect").status() == 502
        assert len(there.seen) == 4


async def test_it_ends_within_the_bound_after_the_session_did_however_silent_both_sides_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "_LEAST_TICK", 0.02)
    gone = asyncio.Event()

    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    async with scene(silent, recheck=timedelta(seconds=0.02)) as there:
        page = there.open()
        await page.next()
        await asyncio.sleep(0.1)
        assert page.sent.empty(), "the session lives"
        there.end()
        assert await page.next() == {"type": "websocket.close", "code": 3000, "reason": "signed out"}
        await asyncio.wait_for(gone.wait(), patience())
        await page.over()


async def test_a_page_that_takes_a_message_slowly_is_no_api_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "_LEAST_TICK", 0.02)
    looked, handing, taken = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    async def two(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.send("two")
        await connection.wait_closed()

    class Slow:
        got: ClassVar[list[object]] = []

        async def receive(self) -> Closed:
            await taken.wait()
            return Closed(4000)

        async def send(self, message: str | bytes) -> None:
            self.got.append(message)
            handing.set()
            for _ in range(4):
                await looked.acquire()
            if self.got == ["one", "two"]:
                taken.set()

        async def close(self, code: int, reason: str) -> None:
            self.got.append(code)

    def look() -> Iterator[Any]:
        if handing.is_set():
            looked.release()
        yield from ()

    async with serve(two, "127.0.0.1", 0) as server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        api = await sockets.connect(
            Fetcher(frozenset({origin})), f"{origin}/x", {}, [], most=100, seconds=patience()
        )
        watch = Watch(look, time.time, 1e9)  # type: ignore[arg-type]  # a generator is all that a Talk is
        await asyncio.wait_for(sockets.relay(Slow(), api, watch, most=100, every=0.0), patience())
    assert Slow.got == ["one", "two", 4000]


@pytest.mark.threat("SES-5", off="admit.relying_party.bff.sessions:Sessions.lives")
async def test_no_message_passes_once_the_bound_is_over() -> None:
    async with scene(echo, recheck=timedelta(0)) as there:
        page = there.open()
        await page.next()
        there.end()
        page.say("too late")
        assert (await page.next())["code"] == 3000
        await page.over()


async def test_a_message_that_is_too_large_ends_it_from_either_side() -> None:
    async def large(connection: ServerConnection) -> None:
        if "large" in (connection.request.path if connection.request else ""):
            await connection.send("x" * 2_000)
        await connection.wait_closed()

    async with scene(large, max_bytes=1_000) as there:
        page = there.open()
        await page.next()
        page.say("x" * 1_001)
        assert (await page.next())["code"] == 1009
        await page.over()
        page = there.open("/bff/api/orders/large")
        await page.next()
        assert (await page.next())["type"] == "websocket.close"
        await page.over()


def test_frameworks_without_websockets_say_so_at_the_start() -> None:
    wire = Wire()
    bff = Bff(
        APP,
        providers=[Strange().provider(wire)],
        apis=[Api("orders", "https://api.example.com", websockets=True)],
        store=MemorySessionStore(),
    )
    for made in (flask.blueprint, django.urls):
        with pytest.raises(ConfigError):
            made(bff)
    assert len(routes(bff)) == 2
