"""The stream of ends over real sockets: from one node to another, a reader that does not read, a server that stops."""

import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fixtures.issuer import ADA, BO
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import (
    Child,
    Deployment,
    deployment,
    furnished_postgresql_url,
    furnished_sqlite_url,
)
from tests.plugins.patience import patience, slack
from tests.unit.issuer.revocation.event_reader import Event, read

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Follower:
    """One open stream, read by hand."""

    def __init__(self, node: Child, host: str, *, since: str = "", buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(patience())
        self.socket.connect(("127.0.0.1", node.port))
        resume = f"Last-Event-ID: {since}\r\n" if since else ""
        self.socket.sendall(f"GET /status/events HTTP/1.1\r\nHost: {host}\r\n{resume}\r\n".encode())
        self.octets = b""

    @property
    def events(self) -> list[Event]:
        """What came so far; a chunk is sent whole, and its size stands on a line that no reader of events takes."""
        return read(self.octets.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n"))

    def until(self, number: int, within: float | None = None) -> list[Event]:
        """Read until so many events came."""
        end = time.monotonic() + (within or patience())
        while len(self.events) < number:
            assert time.monotonic() < end, self.octets
            came = self.socket.recv(65_536)
            assert came, f"closed: {self.octets!r}"
            self.octets += came
        return self.events

    def ended_within(self, seconds: float) -> bool:
        """Whether the server ends the answer in good order in this time."""
        self.socket.settimeout(seconds)
        try:
            while came := self.socket.recv(65_536):
                self.octets += came
        except TimeoutError:
            return False
        return self.octets.endswith(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def two(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, url = tmp_path_factory.mktemp("streams"), furnished_postgresql_url(postgres_server)
    with deployment(folder, url) as made:
        yield made


@pytest.fixture
def follow() -> Iterator[Callable[..., Follower]]:
    """`follow(node, host, …)`: an open stream, closed after the test."""
    with contextlib.ExitStack() as stack:

        def opened(node: Child, host: str, *, since: str = "", buffer: int | None = None) -> Follower:
            made = Follower(node, host, since=since, buffer=buffer)
            stack.callback(made.socket.close)
            return made

        yield opened


async def sign_in_and_out(two: Deployment, at: Child) -> float:
    """One session of Ada's at this node, ended there; when that was answered."""
    async with two.visitor() as visitor:
        tokens = await visitor.at(at).tokens(ADA)
        answer = await visitor.log_out(tokens["id_token"])
        assert answer.status_code in (200, 303), answer.text
        return time.monotonic()


async def test_a_log_out_at_one_node_is_in_the_stream_of_the_other_and_is_resumed_at_either(
    two: Deployment, follow: Callable[..., Follower]
) -> None:
    far, near = follow(two.beside, two.host), follow(two.front, two.host)
    assert far.until(1)[0].kind == near.until(1)[0].kind == "lists"
    answered = await sign_in_and_out(two, two.front)
    told = far.until(2)[1]
    assert time.monotonic() - answered < 1 + slack()
    assert told.kind == "end"
    bits = {tuple(bit) for bit in json.loads(told.data)}
    assert len(bits) == 2, "the session, and the grant under it"
    assert {tuple(bit) for event in near.until(2)[1:] for bit in json.loads(event.data)} == bits
    await sign_in_and_out(two, two.beside)
    later = far.until(3)[2]
    for node in two.nodes:
        resumed = follow(node, two.host, since=told.id)
        assert json.loads(resumed.until(1)[0].data) == json.loads(later.data)


async def test_an_end_by_a_command_is_in_the_stream_of_every_node(
    two: Deployment, follow: Callable[..., Follower]
) -> None:
    async with two.visitor() as visitor:
        await visitor.code(BO)
    streams = [follow(node, two.host) for node in two.nodes]
    for stream in streams:
        stream.until(1)
    assert two.run("user", "disable", BO[0]).returncode == 0
    assert {stream.until(2)[1].kind for stream in streams} == {"end"}


async def test_readers_that_do_not_read_hold_nobody_up(
    two: Deployment, follow: Callable[..., Follower]
) -> None:
    for _ in range(20):
        follow(two.front, two.host, buffer=1_024)
    reader = follow(two.front, two.host)
    reader.until(1)
    for number in range(3):
        await sign_in_and_out(two, two.front)
        reader.until(2 + number)
    assert two.front.answers()


def check_ends_at_once(node: Child, host: str, follow: Callable[..., Follower]) -> None:
    """Told to stop, it ends its streams in good order, and itself."""
    followers = [follow(node, host) for _ in range(5)]
    for follower in followers:
        follower.until(1)
    began = time.monotonic()
    node.tell(signal.SIGTERM)
    assert all(follower.ended_within(3 + slack()) for follower in followers)
    node.join()
    assert time.monotonic() - began < 4 + slack()
    assert "Traceback" not in node.log


def test_open_streams_do_not_hold_up_a_server_that_stops(
    tmp_path: Path, follow: Callable[..., Follower]
) -> None:
    made = Deployment(tmp_path, furnished_sqlite_url(tmp_path), {})
    try:
        made.front.start()
        check_ends_at_once(made.front, made.host, follow)
    finally:
        made.close()


PROGRAM = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from admit.issuer import Issuer, Settings

issuer = Issuer(Settings.load(sys.argv[1], environ={}))
app = Starlette(lifespan=issuer.lifespan, routes=[Mount("/", issuer.asgi)])
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


def test_open_streams_do_not_hold_up_somebody_elses_server_that_waits_without_end(
    tmp_path: Path, follow: Callable[..., Follower]
) -> None:
    """uvicorn with its defaults waits for open answers before it tells an application that it stops."""
    made = Deployment(tmp_path, furnished_sqlite_url(tmp_path), {})
    port = made.front.port
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "front.toml"), str(port)]
    embedding = Child(command, tmp_path, "embedding", port=port, ready="/health/ready", host=made.host)
    embedding.start()
    try:
        check_ends_at_once(embedding, made.host, follow)
    finally:
        embedding.stop(signal.SIGKILL)
