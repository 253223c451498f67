"""`GET /status/events` as an ASGI answer: what it begins with, how it goes on, and how it ends."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from admit.issuer.app import event_stream, jobs
from admit.issuer.app.event_stream import EventStream, server_is_stopping
from admit.issuer.revocation import ByUser, RevocationConfig, Stream, events, store
from admit.issuer.revocation.events import Place
from tests.fixtures.issuer import ADA, Browser, LiveIssuer, make_issuer, settings_for
from tests.plugins.patience import patience
from tests.unit.issuer.revocation.event_reader import Event, read

pytestmark = pytest.mark.anyio


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Any) -> AsyncIterator[LiveIssuer]:
    """As the common one, but streams live as long as they do, and there may be three."""
    revocation = RevocationConfig(most_streams=3)
    made = make_issuer(settings_for(furnished_sqlite, revocation=revocation), keyring)
    async with made.lifespan():
        yield made


class Reader:
    """Reads one stream over ASGI; what it was given is in `octets`."""

    def __init__(self, app: Any, **headers: str) -> None:
        self.octets = b""
        self.start: dict[str, Any] = {}
        self.complete = False
        self.came = asyncio.Event()
        self.gone = asyncio.Event()
        self.blocked: asyncio.Event | None = None
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope = {
            "type": "http", "method": "GET", "path": "/status/events", "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost:8410"), *given],
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(self.scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self.blocked is not None:
            await self.blocked.wait()
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.octets += message["body"]
            self.complete = not message["more_body"]
        self.came.set()

    async def until(self, done: Callable[["Reader"], bool]) -> "Reader":
        async with asyncio.timeout(patience()):
            while not done(self):
                self.came.clear()
                await self.came.wait()
        return self

    async def begun(self) -> "Reader":
        return await self.until(lambda reader: b"\n\n" in reader.octets)

    async def leave(self) -> None:
        self.gone.set()
        await asyncio.wait_for(self.task, patience())

    @property
    def events(self) -> list[Event]:
        return read(self.octets)


async def ended_bit(issuer: LiveIssuer) -> list[int]:
    """Sign somebody in and end it: the bit."""
    user = await issuer.services.accounts.find(ADA[0])
    assert user is not None
    now = issuer.clock()
    node = await issuer.db.run(
        lambda: store.open_node(kind="session", user_id=user.id, expires_at=now + 99, now=now)
    )
    assert node is not None
    await issuer.db.run(store.end, issuer.lists, ByUser(user.id), reason="logout", now=now)
    ref = issuer.lists.ref(node.idx)
    return [ref.list, ref.position]


async def test_a_stream_begins_with_a_greeting_and_lists_and_tells_of_an_end(issuer: LiveIssuer) -> None:
    reader = await Reader(issuer.asgi).begun()
    headers = dict(reader.start["headers"])
    assert reader.start["status"] == 200
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-accel-buffering"] == b"no"
    assert headers[b"access-control-allow-origin"] == b"*"
    assert b"content-length" not in headers
    assert reader.octets.startswith(events.GREETING)
    assert [event.kind for event in reader.events] == ["lists"]
    bit = await ended_bit(issuer)
    await reader.until(lambda reader: len(reader.events) == 2)
    assert json.loads(reader.events[1].data) == [bit]
    await reader.leave()
    assert issuer.status.stream.open_streams == 0


async def test_a_stream_that_comes_back_gets_what_it_missed(issuer: LiveIssuer) -> None:
    reader = await Reader(issuer.asgi).begun()
    await ended_bit(issuer)
    await reader.until(lambda reader: len(reader.events) == 2)
    await reader.leave()
    bit = await ended_bit(issuer)
    again = await Reader(issuer.asgi, last_event_id=reader.events[-1].id).until(lambda r: bool(r.events))
    assert (again.events[0].kind, json.loads(again.events[0].data)) == ("end", [bit])
    await again.leave()
    odd = await Reader(issuer.asgi, last_event_id="no id of ours").begun()
    assert [event.kind for event in odd.events] == ["lists"]
    await odd.leave()


async def test_one_stream_too_many_is_503_and_polls_are_still_answered(issuer: LiveIssuer) -> None:
    readers = [await Reader(issuer.asgi).begun() for _ in range(3)]
    async with Browser(issuer) as browser:
        refused = await browser.get("/status/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["error"] == "too_many_streams"
        head = await browser.get("/status/head", params={"nonce": "n" * 32})
        assert head.status_code == 200
        await readers.pop().leave()
        readers.append(await Reader(issuer.asgi).begun())
    for reader in readers:
        await reader.leave()


async def test_head_is_answered_at_once_and_opens_nothing(issuer: LiveIssuer) -> None:
    async with Browser(issuer) as browser:
        answer = await browser.head("/status/events")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-length" not in answer.headers
        assert issuer.status.stream.open_streams == 0
        other: httpx2.Response = await browser.post("/status/events")
        assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD")


async def test_the_streams_end_when_the_issuer_stops(furnished_sqlite: str, keyring: Any) -> None:
    settings = replace(settings_for(furnished_sqlite), revocation=RevocationConfig())
    made = make_issuer(settings, keyring)
    async with made.lifespan():
        reader = await Reader(made.asgi).begun()
    await asyncio.wait_for(reader.task, patience())
    assert reader.complete
    async with made.lifespan():
        again = await Reader(made.asgi).begun()
        await again.leave()


async def test_the_streams_end_as_soon_as_the_server_is_to_stop(
    issuer: LiveIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Server:
        should_exit = False

        def handle_exit(self, number: int, frame: Any) -> None:
            self.should_exit = True

    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    try:
        reader = await Reader(issuer.asgi).begun()
        assert not server_is_stopping()
        signal.raise_signal(signal.SIGTERM)
        assert server_is_stopping()
        await asyncio.wait_for(reader.task, patience())
        assert reader.complete
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, print])
async def test_no_server_that_can_be_asked_is_no_server_that_stops(handler: Any) -> None:
    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert not server_is_stopping()
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_nothing_is_ended_while_nobody_says_so() -> None:
    stream = Stream(most=1)
    subscription = stream.subscribe()
    job = asyncio.ensure_future(jobs.end_streams(stream, stopping=lambda: False))
    await asyncio.sleep(0.02)
    assert not subscription.closed
    job.cancel()


def answer(life: float) -> tuple[Stream, EventStream]:
    stream = Stream(most=1)
    stream.advance(Place(7, 1), None)
    return stream, EventStream(stream.subscribe(), life=timedelta(seconds=life))


async def test_a_stream_ends_after_its_life_less_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    stream, made = answer(0.1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader = Reader(made)
    await asyncio.wait_for(reader.task, patience())
    assert loop.time() - began >= 0.07
    assert reader.complete
    assert stream.open_streams == 0


async def test_a_comment_comes_while_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "COMMENT_EVERY", 0.01)
    stream, made = answer(600)
    reader = await Reader(made).until(lambda reader: reader.octets.count(events.COMMENT) >= 3)
    assert reader.events == []
    stream.end()
    await asyncio.wait_for(reader.task, patience())


async def test_the_defaults_are_those_of_the_contract() -> None:
    assert event_stream.COMMENT_EVERY == 10


async def test_a_reader_that_stopped_reading_is_let_go_at_the_end_of_its_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "_LAST_WORD", 0.01)
    stream, made = answer(0.2)
    reader = Reader(made)
    await reader.until(lambda reader: bool(reader.start))
    reader.blocked = asyncio.Event()
    for seq in range(2, 200):
        stream.advance(Place(7, seq), [(0, 1_048_575)] * 900)
        await asyncio.sleep(0)
    await asyncio.wait_for(reader.task, patience())
    assert not reader.complete
    assert stream.open_streams == 0


async def test_a_poll_is_answered_in_few_octets_and_a_page_may_read_it_too(issuer: LiveIssuer) -> None:
    path = f"/status/head?nonce={'n' * 22}"
    program = await issuer.browser().get(path)
    page = await issuer.browser().get(path, headers={"origin": "https://any.example"})
    assert program.status_code == page.status_code == 200
    assert {name: value for name, value in program.headers.items() if name != "content-length"} == {
        "cache-control": "no-store",
        "content-type": "application/admit-status-head+jwt",
        "x-content-type-options": "nosniff",
    }
    assert page.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in page.headers
