"""An issuer below a path of its host: behind nginx and haproxy with the files of `deploy/`, and in TLS by itself."""

import contextlib
import json
import os
import re
import shutil
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fixtures.certificates import Certificate, certificate
from tests.fixtures.nginx import HINT as NGINX_HINT
from tests.fixtures.nginx import find_nginx
from tests.fixtures.processes import ADMIT, Child, Forked, free_port, furnished_sqlite_url, write_key_file
from tests.fixtures.required import missing
from tests.system.test_proxies import CALLER, Front, replaced, started
from tests.threats.test_proxy_http import FORGERIES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NAME = "example.com"
BASE = "/auth"
ISSUER = f"https://{NAME}{BASE}"
ELSEWHERE = b"the application beside"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paths")


@pytest.fixture(scope="module")
def made(folder: Path) -> Certificate:
    return certificate(folder / "tls", NAME)


@contextlib.contextmanager
def serving(folder: Path, name: str, **more: object) -> Iterator[tuple[int, Child]]:
    """A node below the path: its port, and the process, whose own is the one for operators."""
    port, operators, own = free_port(), free_port(), folder / name
    own.mkdir()
    members = {
        "issuer": ISSUER, "listen": f"127.0.0.1:{port}", "database": furnished_sqlite_url(own), "data": str(own),
        "keys.file": str(write_key_file(own)), "log.access": True,
        "metrics.listen": str(operators), **more,
    }  # fmt: skip
    path = own / "admit.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in members.items()))
    command = [ADMIT, "serve", "--config", str(path)]
    child = Forked(command, own, name, port=operators, ready="/health/ready", host=f"127.0.0.1:{operators}")
    child.start()
    try:
        yield port, child
    finally:
        child.stop()


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[tuple[int, Child]]:
    with serving(folder, "node", **{"proxy.trusted": ["127.0.0.1"]}) as made:
        yield made


class Beside(BaseHTTPRequestHandler):
    """The application that has the rest of the host."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(ELSEWHERE)))
        self.end_headers()
        self.wfile.write(ELSEWHERE)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def beside() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Beside) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def nginx(folder: Path, node: tuple[int, Child], beside: int, made: Certificate) -> Iterator[Front]:
    program = find_nginx()
    if program is None:
        missing("nginx", NGINX_HINT)
    port, own = free_port(), folder / "nginx"
    own.mkdir()
    shutil.copyfile(ROOT / "deploy/admit-proxy.conf", own / "admit-proxy.conf")
    site = replaced(
        (ROOT / "deploy/nginx-path.conf").read_text("utf-8"),
        **{
            r"listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            r"/etc/admit/tls/fullchain\.pem": str(made.cert),
            r"/etc/admit/tls/privkey\.pem": str(made.key),
            r"/etc/nginx/admit-proxy\.conf": str(own / "admit-proxy.conf"),
            r"server 127\.0\.0\.1:8410;": f"server 127.0.0.1:{node[0]};",
            r"127\.0\.0\.1:3000": f"127.0.0.1:{beside}",
        },
    )
    temporary = "".join(
        f"{name}_temp_path {own / name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    (own / "nginx.conf").write_text(
        f"{user}daemon off;\npid {own / 'pid'};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
    command = [program, "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "error.log")]
    process = started(command, folder, "nginx", port)
    yield Front(node[1], port, made, process.pid, NAME)
    process.terminate()
    process.wait(5)


@pytest.fixture(scope="module")
def haproxy(folder: Path, node: tuple[int, Child], beside: int, made: Certificate) -> Iterator[Front]:
    program = shutil.which(
        "haproxy", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    )
    if program is None:
        missing("haproxy", "apt install haproxy")
    port, path = free_port(), folder / "haproxy.cfg"
    path.write_text(
        replaced(
            (ROOT / "deploy/haproxy-path.cfg").read_text("utf-8"),
            **{
                r"bind :443": f"bind 127.0.0.1:{port}",
                r"/etc/admit/tls/both\.pem": str(made.both),
                r"127\.0\.0\.1:8410\n": f"127.0.0.1:{node[0]}\n",
                r"127\.0\.0\.1:3000": f"127.0.0.1:{beside}",
                r"log /dev/log local0": "log stderr format raw local0",
                r"maxconn 20000": "maxconn 200",
            },
        )
    )
    process = started([program, "-f", str(path), "-db"], folder, "haproxy", port)
    yield Front(node[1], port, made, process.pid, NAME)
    process.terminate()
    process.wait(5)


@pytest.fixture(params=["nginx", "haproxy"])
def front(request: pytest.FixtureRequest) -> Front:
    found: Front = request.getfixturevalue(request.param)
    return found


@pytest.mark.rfc("8414", "3.1")
def test_both_forms_of_the_metadata_name_addresses_below_the_path(front: Front) -> None:
    for name in ("oauth-authorization-server", "openid-configuration"):
        for path in (f"{BASE}/.well-known/{name}", f"/.well-known/{name}{BASE}"):
            answer = front.get(path)
            assert answer.status == 200, path
            said = json.loads(answer.body)
            assert (said["issuer"], said["token_endpoint"]) == (ISSUER, f"{ISSUER}/token")
            assert front.get(said["jwks_uri"].removeprefix(f"https://{NAME}")).status == 200


def test_pages_and_redirects_stay_below_the_path(front: Front) -> None:
    page = front.get(f"{BASE}/login")
    assert page.status == 200
    assert "__Host-admit-" in page.headers["set-cookie"]
    found = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page.body.decode()))
    assert found
    assert {one for one in found if not one.startswith(f"{BASE}/")} == set()
    assert front.get(next(one for one in found if one.endswith(".css"))).status == 200
    assert front.get(f"{BASE}/account").headers["location"].startswith(f"{BASE}/login")
    assert front.get(BASE).headers["location"] == f"{BASE}/account"


def test_what_lies_beside_the_path_is_the_other_applications(front: Front) -> None:
    for path in ("/", "/login", "/authors", "/.well-known/openid-configuration", "/health/live"):
        assert front.get(path).body == ELSEWHERE, path
    assert front.get(f"{BASE}/health/live").status in (403, 404)


@pytest.mark.threat("9700-proxy")
def test_the_caller_is_the_one_that_the_proxy_sees_below_a_path_too(front: Front) -> None:
    for headers in ({}, FORGERIES):
        assert front.get(f"{BASE}/static/nothing-here", **headers).status == 404
    assert {line["ip"] for line in front.told("none")} == {CALLER}


def test_another_host_is_refused_below_a_path_too(front: Front) -> None:
    lines = f"GET {BASE}/login HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    [answer] = front.send(lines.encode())
    assert answer.status in (404, 421)
    assert b"evil" not in answer.body


def test_the_issuer_itself_speaks_tls_below_the_path(folder: Path, made: Certificate) -> None:
    with serving(folder, "direct", **{"tls.cert": str(made.cert), "tls.key": str(made.key)}) as (port, child):
        direct = Front(child, port, made, 0, NAME)
        assert (
            json.loads(direct.get(f"/.well-known/oauth-authorization-server{BASE}").body)["issuer"] == ISSUER
        )
        page = direct.get(f"{BASE}/login")
        assert page.headers["strict-transport-security"]
        [refused] = direct.send(
            b"GET /auth/login HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert refused.status == 421
        with pytest.raises(ssl.SSLCertVerificationError):
            Front(child, port, certificate(folder / "others", NAME), 0, NAME).get("/")
