"""`make demo` from the terminal: up in seconds, down at once, nothing left behind, and its troubles in one line."""

import os
import runpy
import signal
import socket
import stat
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.demo import ADA, APIS, BO, RUN, Demo
from tests.fixtures.processes import free_port
from tests.plugins.patience import patience, slack

pytestmark = pytest.mark.slow


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Demo]:
    """A demo that has not been started."""
    made = Demo(tmp_path)
    yield made
    if made.process is not None:
        made.stop()


def runs(pid: int) -> bool:
    """Whether there is such a process, not counting one that only waits to be noticed."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text("ascii")
    except FileNotFoundError:
        return False


@pytest.mark.soak  # two starts; `.ci/run` starts it as the README says, and ends it by Ctrl-C
def test_it_comes_up_tells_where_and_who_and_ctrl_c_ends_all_of_it_within_5_seconds(own: Demo) -> None:
    first = own.start()
    said, passwords, children = own.log, own.secrets, own.children()
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    assert lines[0].startswith(own.issuer)
    for expected in (own.spa, own.api, own.other_site, passwords[ADA], passwords[BO]):
        assert expected in said
    assert len(children) == 3
    began = time.monotonic()
    assert own.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 5 + slack()
    assert [pid for pid in children if runs(pid)] == []
    assert own.log == said, "it ends without a word"

    second = own.start()
    assert own.secrets == passwords
    listed = own.admit("user", "list", "--json").stdout
    assert ADA in listed
    assert BO in listed
    assert "Traceback" not in own.log
    print(f"first start {first:.1f} s, second start {second:.1f} s")
    assert second < 10 + slack()

    beside = own.run()
    assert beside.returncode == 1
    assert beside.stderr.count("\n") == 1
    assert "runs already" in beside.stderr
    assert "runs already" in own.run("--reset").stderr, "no data is taken from under a running demo"
    children = own.children()
    assert own.stop(signal.SIGHUP) == 0, "a closed terminal ends it in good order too"
    assert [pid for pid in children if runs(pid)] == []

    private = [own.state, *own.state.rglob("*")]
    assert {path.name for path in private if stat.S_IMODE(path.stat().st_mode) & 0o077} <= {"running"}
    assert stat.S_IMODE((own.state / "secrets.json").stat().st_mode) == 0o600

    other = own.state / "notes.txt"
    other.write_text("not the demo's")
    reset = own.run("--reset")
    assert (reset.returncode, reset.stderr) == (0, "")
    assert list(own.state.iterdir()) == [other], "what the demo did not make stays"
    other.unlink()
    assert own.run("--reset").stdout == "There was nothing to forget.\n"
    assert not own.state.exists()


@pytest.mark.soak  # another whole first start
def test_a_first_start_that_was_interrupted_leaves_nothing_and_the_next_one_works(own: Demo) -> None:
    process = own.spawn()
    until = time.monotonic() + 20
    while not (own.state / "orders.db").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    assert own.stop(signal.SIGINT) == 0
    assert own.log == ""
    own.start()
    with urllib.request.urlopen(f"{own.spa}/config.json", timeout=patience()) as reply:
        assert reply.status == 200
    assert own.admit("user", "list", "--json").stdout.count("@example.com") == 2
    # A part that dies is told, takes the others along, and is a failure.
    issuer, *rest = own.children()
    os.kill(issuer, signal.SIGKILL)
    assert process is not own.process
    assert own.process is not None
    assert own.process.wait(patience()) == 1
    assert own.log.splitlines()[-1].startswith("admit: a part of the demo ended by itself")
    assert [pid for pid in rest if runs(pid)] == []
    own.process = None


def main(demo: Demo, monkeypatch: pytest.MonkeyPatch, **more: str) -> int:
    """The demo's program in this process, for what it refuses before it starts anything: its exit code."""
    for name, value in {**demo.environment(), **more}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", [str(RUN)])
    monkeypatch.syspath_prepend(str(RUN.parent))
    try:
        code: int = runpy.run_path(str(RUN))["main"]()
    finally:
        sys.modules.pop("state", None)  # it has read the environment
    return code


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_one_line_that_says_what_to_do(
    own: Demo, host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as taken:
        try:
            taken.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        taken.listen()
        port = taken.getsockname()[1]
        own.ports = (own.ports[0], port, own.ports[2])
        assert main(own, monkeypatch) == 1
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert f"port {port} is in use" in line
    assert "ADMIT_DEMO_PORTS=" in line


def test_a_port_beside_the_demo_that_somebody_has_is_told_with_another(
    own: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(RUN.parent))
    try:
        busy = runpy.run_path(str(RUN))["busy"]
    finally:
        sys.modules.pop("state", None)  # it has read the environment
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for name in ("ADMIT_DEMO_WEB_PORT", "ADMIT_DEMO_PAGE_PORT", "ADMIT_DEMO_MCP_PORT"):
            monkeypatch.setenv(name, str(free_port()))
        assert busy() == ""
        monkeypatch.setenv("ADMIT_DEMO_PAGE_PORT", str(port))
        taken.listen()
        other = port + 1000 if port < 60_000 else 8414
        wanted = (
            f"Port {port} is in use; another one for its application: ADMIT_DEMO_PAGE_PORT={other} make demo"
        )
        assert busy().strip() == wanted


@pytest.mark.parametrize("ports", ["x", "8410", "1,2,3", "9410,9410,9411", "a,b,c", "9410,9411,99999"])
def test_ports_that_cannot_be_are_one_line(
    own: Demo, ports: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(own, monkeypatch, ADMIT_DEMO_PORTS=ports) == 1
    assert capsys.readouterr() == (
        "",
        "admit: ADMIT_DEMO_PORTS wants three different ports from 1024 up, such as 9410,9411,9412\n",
    )
    assert not own.state.exists()


@pytest.mark.parametrize(
    ("name", "value", "wants"),
    [
        ("ADMIT_DEMO_MCP_PORT", "abc", "wants a port"),
        ("ADMIT_DEMO_WEB_PORT", "80", "wants a port"),
        ("ADMIT_DEMO_PAGE_PORT", "99999", "wants a port"),
        ("ADMIT_DEMO_POLL", "x", "wants seconds"),
        ("ADMIT_DEMO_POLL", "nan", "wants seconds"),
    ],
)
def test_what_else_the_environment_says_wrongly_is_one_line(
    own: Demo,
    name: str,
    value: str,
    wants: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(own, monkeypatch, **{name: value}) == 1
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith(f"admit: {name} {wants}")
    assert not own.state.exists()


@pytest.mark.parametrize("api", ["flsk", "../flask", "Flask"])
def test_an_api_that_there_is_none_of_is_one_line_with_those_there_are(
    own: Demo, api: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(own, monkeypatch, ADMIT_DEMO_API=api) == 1
    assert capsys.readouterr() == (
        "",
        f"admit: the orders API is in {', '.join(APIS)}; choose one: make demo API=flask\n",
    )
    assert not own.state.exists()


def test_there_is_an_api_for_each_name_and_a_name_for_each_api() -> None:
    files = {path.name for path in (RUN.parent / "api").glob("*_orders.py")}
    assert files == {f"{name.replace('-', '_')}_orders.py" for name in APIS}
