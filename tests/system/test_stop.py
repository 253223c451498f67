"""A node that is told to stop: it says so, finishes what it began, resets nobody, and ends."""

import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.fixtures.issuer import ADA, field_of
from tests.fixtures.processes import (
    ADMIT,
    ROOMY,
    Child,
    Forked,
    free_port,
    furnished_sqlite_url,
    settings_toml,
    write_key_file,
)
from tests.fixtures.raw_http import Answer, parse
from tests.plugins.patience import patience, slack

pytestmark = pytest.mark.slow

SIGN_INS = 20
STOP_WITHIN = 10


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Child]:
    """One node with a listener for operators, whose port is in `node.name`."""
    port, beside = free_port(), free_port()
    path = tmp_path / "admit.toml"
    path.write_text(
        settings_toml(
            issuer=f"http://localhost:{port}", dev=True, listen=f"127.0.0.1:{port}",
            database=furnished_sqlite_url(tmp_path), data=str(tmp_path),
            tables={
                "metrics": {"listen": f"127.0.0.1:{beside}"}, "serve": {"stop_within": f"{STOP_WITHIN}s"}, **ROOMY,
            },
            **{"keys.file": str(write_key_file(tmp_path))},
        )
    )  # fmt: skip
    command = [ADMIT, "serve", "--config", str(path)]
    made = Forked(command, tmp_path, str(beside), port=port, ready="/health/ready", host=f"localhost:{port}")
    made.start()
    yield made
    made.stop(signal.SIGKILL)


class Open:
    """One connection, by hand."""

    def __init__(self, node: Child) -> None:
        self.host = f"localhost:{node.port}"
        self.sock = socket.create_connection(("127.0.0.1", node.port), timeout=patience())

    def send(self, octets: bytes) -> "Open":
        self.sock.sendall(octets)
        return self

    def get(self, path: str, *more: str) -> bytes:
        return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {self.host}", *more, "", ""]).encode()

    def post(self, path: str, cookie: str, **form: str) -> bytes:
        body = urlencode(form)
        lines = [
            f"POST {path} HTTP/1.1", f"Host: {self.host}", f"Origin: http://{self.host}", f"Cookie: {cookie}",
            "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        return "\r\n".join(lines).encode()

    def first(self) -> Answer:
        """The answer to one request; the connection stays."""
        got = b""
        while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < int(
            parse(got)[0].headers.get("content-length", "0")
        ):
            got += self.sock.recv(65_536)
        return parse(got)[0]

    def rest(self) -> bytes:
        """Everything up to the end that the node makes; a reset is an error."""
        got = b""
        while piece := self.sock.recv(65_536):
            got += piece
        self.sock.close()
        return got


def form_of(node: Child) -> tuple[str, str]:
    """A pre-session's cookie and the token of its sign-in form."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=patience())
    connection.request("GET", "/login", headers={"Host": f"localhost:{node.port}"})
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    cookie = (answer.headers["set-cookie"] or "").partition(";")[0]
    return cookie, field_of(page, "csrf")


def ready_at(port: int) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience())
    connection.request("GET", "/health/ready")
    answer = connection.getresponse()
    told = json.loads(answer.read())["status"]
    connection.close()
    return answer.status, told


def test_whoever_was_let_in_is_answered_and_nobody_is_reset(node: Child) -> None:
    beside = int(node.name)
    cookie, csrf = form_of(node)
    form = {"csrf": csrf, "email": ADA[0], "password": ADA[1]}
    assert ready_at(beside) == (200, "ready")

    stream = Open(node)
    stream.send(stream.get("/status/events"))
    assert stream.sock.recv(4_096).startswith(b"HTTP/1.1 200")
    used = Open(node)
    used.send(used.get("/jwks"))
    assert used.first().status == 200
    slow = Open(node)
    whole = slow.post("/login", cookie, **form)
    slow.send(whole[:-20])
    begun = Open(node).send(b"GET /jwks HTTP/1.1\r\nHo")
    silent = Open(node)
    signing_in = [Open(node) for _ in range(SIGN_INS)]
    for one in signing_in:
        one.send(one.post("/login", cookie, **form))

    node.tell(signal.SIGTERM)
    told_at = time.monotonic()
    used.send(used.get("/jwks"))
    begun.send(f"st: {begun.host}\r\n\r\n".encode())

    for one in signing_in:
        [answer] = parse(one.rest())
        assert answer.status == 303, answer
        assert "admit-dev-" in answer.headers["set-cookie"]
    for one in (used, begun):
        [answer] = parse(one.rest())
        assert answer.status == 200
    assert stream.rest().endswith(b"0\r\n\r\n")
    assert silent.rest() == b""

    # One request still keeps it from ending: it says that it stops, and takes nobody new.
    assert ready_at(beside) == (503, "stopping")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.port), timeout=1)
    slow.send(whole[-20:])
    [answer] = parse(slow.rest())
    assert (answer.status, answer.headers["connection"]) == (303, "close")

    assert node.join() == 0
    assert time.monotonic() - told_at < STOP_WITHIN + slack()
    assert "Traceback" not in node.log


def test_what_does_not_come_to_its_end_is_cut_off_at_the_bound(node: Child) -> None:
    slow = Open(node).send(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
    node.tell(signal.SIGINT)
    node.tell(signal.SIGINT)  # twice: at once
    began = time.monotonic()
    assert node.join() == 0
    assert time.monotonic() - began < 2 + slack()
    slow.sock.close()
