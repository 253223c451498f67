"""The guarded client: nothing is dialled that was not judged, and no answer is larger or later than allowed."""

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpcore2
import pytest

from admit.errors import FetchError
from admit.fetch import Fetcher
from admit.fetch.network import GuardedAsyncBackend
from tests.plugins.patience import patience


class Recorder(httpcore2.NetworkBackend):
    """Notes what would have been dialled, and dials nothing."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        self.dialled.append((host, port))
        raise httpcore2.ConnectError("recorded")


class AsyncRecorder(httpcore2.AsyncNetworkBackend):
    """The same for an event loop."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        self.dialled.append((host, port))
        raise httpcore2.ConnectError("recorded")


@contextmanager
def answering(*answers: bytes, hold: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives raw answers, one a connection; yields its origin and the requests it saw."""
    seen: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def run() -> None:
        for answer in answers:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                seen.append(_request(connection))
                connection.sendall(answer)
                if hold:
                    stop.wait(10)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)  # wakes an accept, which closing does not
        server.close()
        thread.join(patience())


def _request(connection: socket.socket) -> bytes:
    """One whole request: its head, and as much body as it announces."""
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while sizes and len(body) < sizes[0] and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("[::1]", ["::1"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("169.254.169.254", ["169.254.169.254"]),
        ("0x7f000001", ["127.0.0.1"]),
        ("127.1", ["127.0.0.1"]),
        ("inside.example", ["10.0.0.5"]),
        ("mixed.example", ["8.8.8.8", "10.0.0.5"]),
        ("[::ffff:127.0.0.1]", ["::ffff:127.0.0.1"]),
    ],
)
def test_an_inside_address_is_not_even_dialled(host: str, found: list[str]) -> None:
    recorder = Recorder()
    fetcher = Fetcher(backend=recorder, resolver=lambda *_: found)
    with pytest.raises(FetchError) as refusal:
        fetcher.get(f"https://{host}/jwks")
    assert recorder.dialled == []
    assert found[0] not in refusal.value.detail


def test_a_public_address_is_dialled_as_it_was_judged() -> None:
    recorder = Recorder()
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])  # a name that changes its answer after it was judged
    with pytest.raises(FetchError):
        Fetcher(backend=recorder, resolver=lambda *_: next(answers)).get("https://rebind.example/jwks")
    assert recorder.dialled == [("8.8.8.8", 443)]


def test_a_named_origin_is_dialled_wherever_it_is() -> None:
    recorder = Recorder()
    fetcher = Fetcher(frozenset({"https://id.internal"}), backend=recorder, resolver=lambda *_: ["10.0.0.5"])
    with pytest.raises(FetchError):
        fetcher.get("https://id.internal/jwks")
    assert recorder.dialled == [("10.0.0.5", 443)]


@pytest.mark.anyio
@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
async def test_an_inside_address_is_not_dialled_by_an_event_loop() -> None:
    recorder = AsyncRecorder()

    async def resolver(host: str, port: int) -> list[str]:
        return ["10.0.0.5"]

    backend = GuardedAsyncBackend(frozenset(), recorder, resolver)
    with pytest.raises((FetchError, httpcore2.ConnectError)):
        await backend.connect_tcp("inside.example", 443)
    assert recorder.dialled == []


def test_a_get_brings_status_headers_and_body() -> None:
    with answering(reply("200 OK", b"hello", "etag: W/1")) as (origin, seen):
        response = Fetcher(frozenset({origin})).get(f"{origin}/a?b=c", {"accept": "text/plain"})
    assert (response.status, response.body, response.headers["etag"]) == (200, b"hello", "W/1")
    assert seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b"accept-encoding: identity\r\n" in seen[0]


def test_a_post_sends_its_body() -> None:
    with answering(reply("404 Not Found")) as (origin, seen):
        response = Fetcher(frozenset({origin})).post(f"{origin}/a", b"{}")
    assert response.status == 404
    assert seen[0].endswith(b"\r\n\r\n{}")


@pytest.mark.anyio
async def test_an_event_loop_gets_the_same() -> None:
    with answering(reply("200 OK", b"hello"), reply("200 OK", b"again")) as (origin, _):
        fetcher = Fetcher(frozenset({origin}))
        assert (await fetcher.aget(f"{origin}/a")).body == b"hello"
        assert (await fetcher.apost(f"{origin}/a", b"{}")).body == b"again"
        await fetcher.aclose()


@pytest.mark.threat("INF-ssrf", off="admit.fetch.fetcher:check_redirect")
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_refused_and_its_target_sees_nothing(status: str) -> None:
    with (
        answering(reply("200 OK", b"inside")) as (inside, seen),
        answering(reply(status, b"", f"location: {inside}/secret")) as (origin, _),
        pytest.raises(FetchError),
    ):
        Fetcher(frozenset({origin, inside})).get(f"{origin}/jwks")
    assert seen == []


def test_not_modified_is_no_redirect() -> None:
    with answering(b"HTTP/1.1 304 Not Modified\r\n\r\n") as (origin, _):
        fetcher = Fetcher(frozenset({origin}))
        assert fetcher.get(f"{origin}/status/0").status == 304
        fetcher.close()


@pytest.mark.threat("INF-ssrf", off="admit.fetch.fetcher:check_size")
@pytest.mark.parametrize(
    "answer",
    [
        reply("200 OK", b"x" * 5000),
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
    ],
)
def test_an_answer_over_the_limit_is_refused(answer: bytes) -> None:
    with answering(answer) as (origin, _), pytest.raises(FetchError):
        Fetcher(frozenset({origin}), max_bytes=4096).get(f"{origin}/jwks")


def test_a_compressed_answer_is_refused() -> None:
    with (
        answering(reply("200 OK", b"x", "content-encoding: gzip")) as (origin, _),
        pytest.raises(FetchError),
    ):
        Fetcher(frozenset({origin})).get(f"{origin}/jwks")


def test_a_silent_server_costs_no_more_than_the_timeout() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", hold=True) as (origin, _), pytest.raises(FetchError):
        Fetcher(frozenset({origin}), timeout=timedelta(milliseconds=100)).get(f"{origin}/jwks")


@pytest.mark.anyio
async def test_a_silent_server_costs_an_event_loop_no_more_than_the_timeout() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", hold=True) as (origin, _), pytest.raises(FetchError):
        await Fetcher(frozenset({origin}), timeout=timedelta(milliseconds=100)).aget(f"{origin}/jwks")


def test_nobody_there_is_a_fetch_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        origin = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(FetchError):
        Fetcher(frozenset({origin})).get(f"{origin}/jwks")


def test_a_dropped_idle_connection_is_made_anew() -> None:
    kept = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na"
    with answering(kept, kept) as (origin, _):
        fetcher = Fetcher(frozenset({origin}))
        assert [fetcher.get(f"{origin}/{n}").body for n in range(2)] == [b"a", b"a"]
        fetcher.close()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        answering(reply("200 OK", b"proxied")) as (proxy, seen),
        answering(reply("200 OK", b"own")) as (origin, _),
    ):
        monkeypatch.setitem(os.environ, "http_proxy", proxy)
        assert Fetcher(frozenset({origin})).get(f"{origin}/a").body == b"own"
    assert seen == []
