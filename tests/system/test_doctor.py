"""`admit doctor` asks a running issuer through real proxies, good ones and bad ones."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admit.cli.doctor import findings_of
from admit.cli.doctor.findings import Finding, Severity
from admit.issuer import Settings
from tests.fixtures.certificates import certificate
from tests.fixtures.nginx import HINT, find_nginx
from tests.fixtures.processes import (
    ADMIT,
    START_WITHIN,
    Child,
    Forked,
    free_port,
    furnished_sqlite_url,
    settings_toml,
    write_key_file,
)
from tests.fixtures.required import missing
from tests.system.test_proxies import started

pytestmark = pytest.mark.slow

HOST = "proxy_set_header Host $http_host;"
GOOD = f"{HOST} proxy_set_header X-Forwarded-For $remote_addr;"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Child, Path, int]]:
    """A node, its settings, and the port of its URL, on which a proxy is to listen."""
    folder = tmp_path_factory.mktemp("doctor")
    public, own = free_port(), free_port()
    path = folder / "admit.toml"
    path.write_text(
        settings_toml(
            issuer=f"http://localhost:{public}", dev=True, listen=f"127.0.0.1:{own}",
            database=furnished_sqlite_url(folder), data=str(folder),
            **{"keys.file": str(write_key_file(folder)), "proxy.trusted": ["127.0.0.1"]},
        )
    )  # fmt: skip
    path.chmod(0o600)
    child = Forked(
        [ADMIT, "serve", "--config", str(path)], folder, "node", port=own, ready="/health/ready",
        host=f"localhost:{public}",
    )  # fmt: skip
    child.start()
    yield child, path, public
    child.stop()


def asked_through(node: tuple[Child, Path, int], headers: str, **changes: str) -> list[Finding]:
    """What the doctor finds when nginx in front sets these headers."""
    child, path, public = node
    program = find_nginx()
    if program is None:
        missing("nginx", HINT)
    own = path.parent / "nginx"
    own.mkdir(exist_ok=True)
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    lines = ["user root;"] if os.getuid() == 0 else []
    lines += ["daemon off;", f"pid {own / 'pid'};", "events {}", "http {", "access_log off;"]
    lines += [f"{one}_temp_path {own / one};" for one in places]
    lines += [f"server {{ listen 127.0.0.1:{public};"]
    lines += [f"location / {{ proxy_pass http://127.0.0.1:{child.port}; {headers} }} }}", "}", ""]
    (own / "nginx.conf").write_text("\n".join(lines))
    command = [program, "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "error.log")]
    process = started(command, own, "nginx", public)
    try:
        return asked(path)
    finally:
        process.terminate()
        process.wait(5)


def asked(path: Path, **more: Any) -> list[Finding]:
    async def collect() -> list[Finding]:
        return [one async for one in findings_of(Settings.load(path, environ={}), **more)]

    return asyncio.run(collect())


def about(some: list[Finding], topic: str) -> list[Finding]:
    return [one for one in some if one.topic == topic and one.severity is not Severity.GOOD]


def test_a_proxy_that_writes_the_address_itself_is_good(node: tuple[Child, Path, int]) -> None:
    some = asked_through(node, GOOD)
    assert about(some, "proxy") == []
    assert about(some, "running") == []
    assert any("forged headers change nothing" in one.what for one in some)


def test_a_machine_that_is_trusted_itself_cannot_judge_a_proxy_that_adds_to_the_header(
    node: tuple[Child, Path, int],
) -> None:
    added = f"{HOST} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    [one] = about(asked_through(node, added), "proxy")
    assert (one.severity, "this machine's own word" in one.what) == (Severity.NOTE, True)


@pytest.mark.threat("9700-proxy")
def test_a_proxy_that_passes_on_what_strangers_write_is_an_error(node: tuple[Child, Path, int]) -> None:
    [one] = about(asked_through(node, HOST), "proxy")
    assert (one.severity, "a stranger wrote" in one.what) == (Severity.ERROR, True)


def test_a_proxy_that_changes_host_is_an_error(node: tuple[Child, Path, int]) -> None:
    [one] = about(asked_through(node, ""), "proxy")
    assert (one.severity, "another Host" in one.what) == (Severity.ERROR, True)


def test_a_proxy_that_is_not_believed_is_a_warning(node: tuple[Child, Path, int]) -> None:
    """Another node, since who is believed is settled at its start."""
    child, path, public = node
    other = path.parent / "unbelieved"
    other.mkdir()
    port = free_port()
    text = path.read_text().replace(f'"127.0.0.1:{child.port}"', f'"127.0.0.1:{port}"')
    config = other / "admit.toml"
    config.write_text(text.replace('proxy.trusted = ["127.0.0.1"]\n', ""))
    second = Forked(
        [ADMIT, "serve", "--config", str(config)], other, "node", port=port, ready="/health/ready",
        host=f"localhost:{public}",
    )  # fmt: skip
    second.start()
    try:
        [one] = about(asked_through((second, config, public), GOOD), "proxy")
    finally:
        second.stop()
    assert one.mend == 'proxy.trusted = ["127.0.0.1"]'


def test_an_issuer_that_does_not_run_is_a_note(node: tuple[Child, Path, int]) -> None:
    [one] = about(asked(node[1]), "running")
    assert one.severity is Severity.NOTE


def test_an_issuer_that_ends_tls_itself_has_nothing_to_be_warned_of(tmp_path: Path) -> None:
    """A whole good deployment, asked over TLS with an authority of its own."""
    port = free_port()
    tls = certificate(tmp_path / "tls", "localhost")
    members: dict[str, Any] = {
        "issuer": f"https://localhost:{port}", "listen": f"127.0.0.1:{port}", "data": str(tmp_path),
        "database": furnished_sqlite_url(tmp_path), "keys.file": str(write_key_file(tmp_path)),
        "tls.cert": str(tls.cert), "tls.key": str(tls.key), "mail.url": "smtps://mail.example.com",
        "mail.sender": "a@example.com",
    }  # fmt: skip
    path = tmp_path / "admit.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in members.items()))
    command = [ADMIT, "serve", "--config", str(path)]
    child = Forked(command, tmp_path, "node", port=port, ready="", host=f"localhost:{port}")
    child.spawn()
    try:
        until = time.monotonic() + START_WITHIN
        while True:
            some = asked(path, ca_file=str(tls.authority))
            if any(one.what == f"the issuer answers at https://localhost:{port}" for one in some):
                break
            assert time.monotonic() < until, child.log
        grave = (Severity.WARNING, Severity.ERROR)
        assert [one.what for one in some if one.severity in grave and "SQLite lies" not in one.what] == []
        # Without that authority it is not taken for the issuer.
        assert [one.severity for one in about(asked(path), "running")] == [Severity.NOTE]
    finally:
        assert child.stop() == 0
