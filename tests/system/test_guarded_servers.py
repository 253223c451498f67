"""Guards behind servers as people start them: connections that are used again, given up and overloaded, and reloads."""

import contextlib
import http.client
import json
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.event_hub import EventHub
from tests.fixtures.processes import Child, free_port
from tests.fixtures.status_issuer import StatusIssuer, serve
from tests.plugins.patience import wait_until

pytestmark = pytest.mark.soak
PROGRAM = Path(__file__).parent / "apps" / "guarded_servers.py"
ROOT = Path(__file__).resolve().parents[2]
SERVERS = ["gunicorn-gthread", "gunicorn-sync", "uvicorn", "uvicorn-h11"]


@contextlib.contextmanager
def started(server: str, folder: Path, issuer: StatusIssuer, *more: str) -> Iterator[Child]:
    port = free_port()
    command = ["env", f"PYTHONPATH={ROOT}:{ROOT / 'src'}", "PYTHONUNBUFFERED=1", sys.executable, str(PROGRAM)]
    command += [server, str(port), issuer.issuer, *more]
    child = Child(command, folder, server, port=port, ready="/health", host="localhost")
    child.start()
    try:
        yield child
    finally:
        child.stop()
    assert "Traceback" not in child.log, child.log


@pytest.fixture(scope="module")
def issuer() -> Iterator[StatusIssuer]:
    with serve(StatusIssuer(events=EventHub())) as running:
        yield running


@pytest.fixture(params=SERVERS, scope="module")
def running(
    request: pytest.FixtureRequest, issuer: StatusIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Child]:
    with started(request.param, tmp_path_factory.mktemp(request.param), issuer) as child:
        yield child


def ask(
    connection: http.client.HTTPConnection, token: str | None, path: str = "/who"
) -> tuple[int, dict[str, Any]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def fresh(child: Child) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", child.port, timeout=30)


def is_well(child: Child, token: str) -> bool:
    with contextlib.closing(fresh(child)) as connection:
        status, said = ask(connection, token)
        return (status, said["who"]) == (200, "u_alice")


def test_a_connection_remembers_nobody(running: Child, issuer: StatusIssuer) -> None:
    """A proxy keeps its connections, and sends everybody's requests over them."""
    alice, bob = issuer.token(17), issuer.token(18, subject="u_bob")
    callers = [(alice, 200, "u_alice"), (bob, 200, "u_bob"), (None, 401, None), ("junk", 401, None)]

    def used_again(turn: int) -> None:
        with contextlib.closing(fresh(running)) as connection:
            for n in range(40):
                token, wanted, who = callers[(turn + n * (turn + 1)) % len(callers)]
                status, said = ask(connection, token)
                assert (status, said.get("who")) == (wanted, who)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(used_again, range(8)))


def test_clients_that_go_away_leave_nothing_behind(running: Child, issuer: StatusIssuer) -> None:
    # The second of each pair is verified for the first time, so that whoever waited for it is gone meanwhile.
    token = issuer.token(17)
    for n in range(150):
        wanted = token if n % 2 else issuer.token(17, jti=f"gone-{n}")
        request = f"GET /who HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {wanted}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as client:
            client.sendall(request if n % 3 else request[: len(request) // 2])
    assert all(is_well(running, token) for _ in range(8))


def test_ten_thousand_headers_are_refused_or_answered_and_hurt_nobody(
    running: Child, issuer: StatusIssuer
) -> None:
    token = issuer.token(17)
    many = b"".join(b"X-%d: a\r\n" % n for n in range(10_000))
    for credential in (b"", f"Authorization: Bearer {token}\r\n".encode()):
        head = b"GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + credential + many + b"\r\n"
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as client:
            answer = b""
            with contextlib.suppress(ConnectionError):  # a server that has read enough hangs up
                client.sendall(head)
                while part := client.recv(65_536):
                    answer += part
        status = int(answer.split(b" ", 2)[1]) if answer else 400
        assert status in ({200, 400, 431} if credential else {400, 401, 431})
        assert is_well(running, token)


def test_a_token_in_a_url_is_taken_and_no_log_of_requests_has_it(
    running: Child, issuer: StatusIssuer
) -> None:
    token = issuer.token(17, jti="in-a-url")
    with contextlib.closing(fresh(running)) as connection:
        assert ask(connection, None, f"/files?page=2&access_token={token}")[0] == 200
        assert ask(connection, None, f"/files?access_token={token}&access_token={token}")[0] == 400
    wait_until(lambda: running.log.count("/files?") >= 2, "the log of both requests")
    assert "/files?page=2 " in running.log
    assert "access_token=hidden" in running.log
    assert token not in running.log
    assert token.rpartition(".")[2] not in running.log


def test_an_application_that_is_reloaded_goes_on(issuer: StatusIssuer, tmp_path: Path) -> None:
    """uvicorn ends the process that served and starts another, in which nothing is known yet."""
    watched = tmp_path / "watched"
    watched.mkdir()
    module = watched / "module.py"
    module.write_text("a = 1\n")
    token, over = issuer.token(17), issuer.token(19)
    issuer.end(19)
    with started("uvicorn-reload", tmp_path, issuer, str(watched)) as child:

        def pid() -> int | None:
            with contextlib.closing(fresh(child)) as connection, contextlib.suppress(OSError, ValueError):
                status, said = ask(connection, token)
                assert (status, said["who"]) == (200, "u_alice")
                assert ask(connection, over)[0] == 401
                return int(said["pid"])
            return None

        met: set[int | None] = set()

        def another() -> bool:
            met.add(pid())
            return len(met - {None}) == turn

        for turn in (1, 2, 3):
            module.write_text(f"a = {turn}\n")
            wait_until(another, "another process", 0.1)
