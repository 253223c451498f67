"""nginx and haproxy with the files of `deploy/`, over TLS: addresses, paths, framing, event streams."""

import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.certificates import Certificate, certificate
from tests.fixtures.nginx import HINT as NGINX_HINT
from tests.fixtures.nginx import find_nginx
from tests.fixtures.processes import ADMIT, Child, Forked, free_port, furnished_sqlite_url, write_key_file
from tests.fixtures.raw_http import Answer, parse
from tests.fixtures.required import missing
from tests.fixtures.smuggling import UPGRADE, smuggled
from tests.plugins.patience import slack
from tests.threats.test_proxy_http import FORGERIES, ODD

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NAME = "id.example.com"
CALLER = "127.0.0.2"  # the proxies call from 127.0.0.1
WITHIN = 5.0


@dataclass(frozen=True)
class Front:
    """A proxy that listens at `port`, and the node behind it."""

    node: Child
    port: int
    certificate: Certificate
    pid: int
    name: str = NAME

    def open(self) -> ssl.SSLSocket:
        trust = ssl.create_default_context(cafile=str(self.certificate.authority))
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN, source_address=(CALLER, 0))
        return trust.wrap_socket(plain, server_hostname=self.name)

    def send(self, octets: bytes) -> list[Answer]:
        """All answers to these octets."""
        got = b""
        with self.open() as sock:
            try:
                sock.sendall(octets)
                while piece := sock.recv(65_536):
                    got += piece
                    sock.settimeout(0.4)  # for a second answer, that should not come
            except (TimeoutError, ConnectionError, ssl.SSLError):
                pass
        return parse(got)

    def get(self, path: str, **headers: str) -> Answer:
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.name}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        [answer] = self.send("\r\n".join([*lines, "", ""]).encode())
        return answer

    def answered(self) -> list[dict[str, Any]]:
        """What the node wrote of each answer."""
        lines = [json.loads(line) for line in self.node.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "answered"]

    def told_of(self, route: str) -> list[dict[str, Any]]:
        """Those of one route."""
        return [line for line in self.answered() if line["route"] == route]

    def connected(self) -> set[str]:
        """The proxy's own connections to the node that stand, by the table of the kernel."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        own = set()
        for fd in (fd for pid in (self.pid, *children) for fd in Path(f"/proc/{pid}/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                own.add(os.readlink(fd))
        rows = [row.split() for row in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        to_node = [row[9] for row in rows if row[2].endswith(f":{self.node.port:04X}") and row[3] == "01"]
        return {inode for inode in to_node if f"socket:[{inode}]" in own}

    def told(self, route: str) -> list[dict[str, Any]]:
        """The same, of one route; the log is written behind the answer."""
        until = time.monotonic() + WITHIN
        while not (found := [line for line in self.answered() if line["route"] == route]):
            assert time.monotonic() < until
            time.sleep(0.02)
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxies")


@pytest.fixture(scope="module")
def made(folder: Path) -> Certificate:
    return certificate(folder / "tls", NAME)


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[Child]:
    port, path = free_port(), folder / "admit.toml"
    members = {
        "issuer": f"https://{NAME}", "listen": f"127.0.0.1:{port}", "database": furnished_sqlite_url(folder),
        "data": str(folder), "keys.file": str(write_key_file(folder)), "proxy.trusted": ["127.0.0.1"],
        "log.access": True,
    }  # fmt: skip
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in members.items()))
    child = Forked(
        [ADMIT, "serve", "--config", str(path)], folder, "node", port=port, ready="/health/ready", host=NAME
    )
    child.start()
    yield child
    child.stop()


def replaced(text: str, **changes: str) -> str:
    """An example with other places. Each of them has to be in it."""
    for old, new in changes.items():
        assert re.search(old, text), old
        text = re.sub(old, new, text)
    return text


def until_listening(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text("utf-8", "replace")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(log.read_text("utf-8", "replace"))


def started(command: list[str], folder: Path, name: str, port: int) -> "subprocess.Popen[bytes]":
    log = folder / f"{name}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        until_listening(port, process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


@pytest.fixture(scope="module")
def nginx(folder: Path, node: Child, made: Certificate) -> Iterator[Front]:
    program = find_nginx()
    if program is None:
        missing("nginx", NGINX_HINT)
    port, plain = free_port(), free_port()
    site = replaced(
        (ROOT / "deploy/nginx.conf").read_text("utf-8"),
        **{
            r"listen 80;": f"listen 127.0.0.1:{plain};",
            r"listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            r"/etc/admit/tls/fullchain\.pem": str(made.cert),
            r"/etc/admit/tls/privkey\.pem": str(made.key),
            r"server 127\.0\.0\.1:8410;": f"server 127.0.0.1:{node.port};",
        },
    )
    own = folder / "nginx"
    own.mkdir()
    temporary = "".join(
        f"{name}_temp_path {own / name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    (own / "nginx.conf").write_text(
        f"{user}daemon off;\npid {own / 'pid'};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
    process = started(
        [program, "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "error.log")],
        folder,
        "nginx",
        port,
    )
    yield Front(node, port, made, process.pid)
    process.terminate()
    process.wait(WITHIN)


@pytest.fixture(scope="module")
def haproxy(folder: Path, node: Child, made: Certificate) -> Iterator[Front]:
    program = shutil.which(
        "haproxy", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    )
    if program is None:
        missing("haproxy", "apt install haproxy")
    port, plain = free_port(), free_port()
    path = folder / "haproxy.cfg"
    path.write_text(
        replaced(
            (ROOT / "deploy/haproxy.cfg").read_text("utf-8"),
            **{
                r"bind :443": f"bind 127.0.0.1:{port}",
                r"bind :80\b": f"bind 127.0.0.1:{plain}",
                r"/etc/admit/tls/both\.pem": str(made.both),
                r"127\.0\.0\.1:841[01]": f"127.0.0.1:{node.port}",
                r"log /dev/log local0": "log stderr format raw local0",
                r"maxconn 20000": "maxconn 200",
            },
        )
    )
    process = started([program, "-f", str(path), "-db"], folder, "haproxy", port)
    yield Front(node, port, made, process.pid)
    process.terminate()
    process.wait(WITHIN)


@pytest.fixture(params=["nginx", "haproxy"])
def front(request: pytest.FixtureRequest) -> Front:
    found: Front = request.getfixturevalue(request.param)
    return found


def test_the_issuer_answers_behind_it_under_its_own_name(front: Front) -> None:
    metadata = front.get("/.well-known/openid-configuration")
    assert metadata.status == 200
    assert json.loads(metadata.body)["issuer"] == f"https://{NAME}"
    page = front.get("/login")
    assert page.status == 200
    assert "__Host-admit-" in page.headers["set-cookie"]
    assert "Secure" in page.headers["set-cookie"]


@pytest.mark.threat("9700-proxy")
def test_the_caller_is_the_one_that_the_proxy_sees_whatever_it_says(front: Front) -> None:
    for headers in ({}, FORGERIES, {"X-Forwarded-For": "127.0.0.1, 127.0.0.1", "Forwarded": "for=127.0.0.1"}):
        assert front.get("/static/nothing-here", **headers).status == 404
    assert {line["ip"] for line in front.told("none")} == {CALLER}


def test_another_host_is_refused_behind_it_too(front: Front) -> None:
    lines = (
        "GET /login HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: "
        + NAME
        + "\r\nConnection: close\r\n\r\n"
    )
    [answer] = front.send(lines.encode())
    assert answer.status in (403, 404, 421)
    assert b"evil" not in answer.body


@pytest.mark.threat("INF-path")
def test_a_path_that_a_rule_denies_is_not_reached_in_another_spelling(front: Front) -> None:
    """Both examples keep `/health/` from strangers."""
    assert front.get("/health/live").status in (403, 404)
    paths = [path for path in ODD if "\\" not in path]
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(paths, pool.map(front.get, paths), strict=True))
    seen = {path: answer.status for path, answer in answers.items() if not 400 <= answer.status < 500}
    # nginx itself resolves dots and doubled slashes, for its rules alone: what it passes on is spelled as it came.
    assert {path: status for path, status in seen.items() if status != 301} == {}
    assert not any(b'"live"' in answer.body for answer in answers.values())


@pytest.mark.threat("INF-smuggle")
@pytest.mark.rfc("9112", "6.3")
def test_a_request_hidden_in_another_is_never_answered(front: Front) -> None:
    requests = smuggled(NAME)
    before = len([line for line in front.answered() if line["route"] == "/jwks"])
    with ThreadPoolExecutor(10) as pool:
        answers = dict(zip(requests, pool.map(front.send, requests.values()), strict=True))
    doubled = {name: [one.status for one in some] for name, some in answers.items() if len(some) > 1}
    answered = [name for name, some in answers.items() for one in some if one.status == 200]
    # What proxies read as an ordinary chunk, and write as one: two requests for them as for the node, which is told of
    # each by itself.
    as_ordinary = {
        "bare LF in a chunk's line",
        "bare LF in what is said of a chunk",
        "a chunk's size and a space",
        "a coding and nothing",
        "chunks behind an upgrade",
    }
    assert set(doubled) | set(answered) <= as_ordinary, doubled
    seen = [line for line in front.answered() if line["route"] == "/jwks"]
    assert len(seen) - before == len(answered)


@pytest.mark.threat("INF-smuggle")
@pytest.mark.rfc("9112", "3.2.2")
def test_a_target_that_names_another_host_is_answered_by_nobody_in_its_name(front: Front) -> None:
    for target, host in (
        ("https://evil.example/login", NAME),
        (f"https://{NAME}/login", "evil.example"),
        (f"https://{NAME}@evil.example/login", NAME),
        ("evil.example:443", NAME),
    ):
        lines = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        [answer] = front.send(lines.encode())
        # nginx goes by the target and passes on `Host` and the path: that is the issuer's own page.
        assert answer.status in (200, 400, 421), target
        assert "evil" not in f"{answer.headers}{answer.body!r}"


@pytest.mark.threat("INF-smuggle")
@pytest.mark.rfc("9110", "7.8")
def test_no_other_protocol_is_spoken_behind_it_and_no_request_hides_in_one(front: Front) -> None:
    inner = f"GET /jwks HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode()
    before = len(front.told_of("/jwks"))
    requests = [
        f"{line}\r\nHost: {NAME}\r\nContent-Length: {len(inner)}\r\n".encode() + upgrade + b"\r\n" + inner
        for line in ("GET /login HTTP/1.1", "POST /token HTTP/1.1")
        for upgrade in (UPGRADE, b"Connection: upgrade\r\nUpgrade: websocket\r\n")
    ]
    with ThreadPoolExecutor(4) as pool:
        for [answer] in pool.map(front.send, requests):
            assert answer.status in (200, 400, 415)
    assert len(front.told_of("/jwks")) == before


def test_a_connection_to_the_node_is_used_again(front: Front) -> None:
    """Each request has a connection of its own to the proxy; the proxy keeps its own to the node."""
    assert front.get("/jwks").status == 200
    kept = front.connected()
    for _ in range(4):
        assert front.get("/jwks").status == 200
    after = front.connected()
    assert kept & after
    assert len(after - kept) <= 1, "haproxy asks by itself whether the node is ready"


def test_an_event_stream_begins_at_once_and_stays_open(front: Front) -> None:
    with front.open() as sock:
        sock.sendall(f"GET /status/events HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        began, got = time.monotonic(), b""
        while b"event: lists" not in got:
            got += sock.recv(4_096)
        assert time.monotonic() - began < 2 + slack()
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(4_096)
    assert b"text/event-stream" in got


def test_a_body_that_is_too_large_is_refused_before_it_is_read(front: Front) -> None:
    head = f"POST /token HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 10000000\r\nConnection: close\r\n\r\n".encode()
    [answer] = front.send(head + b"a" * 1_000)
    assert answer.status == 413
