"""The examples do what they say: a native app, and an issuer inside one's own application."""

import asyncio
import base64
import contextlib
import json
import os
import re
import runpy
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest
from anyio import to_thread

from tests.fixtures.demo import BO, PICTURES, POLL, ROOT, Demo
from tests.fixtures.processes import free_port
from tests.plugins.patience import wait_until
from tests.system.foreign.person import Person

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
NATIVE: Final = ROOT / "examples" / "native" / "native.py"
OWN_FORM: Final = ROOT / "examples" / "native" / "own_form.py"
MACHINE: Final = ROOT / "examples" / "machine" / "machine.py"
WEB: Final = ROOT / "examples" / "web_app" / "app.py"
EMBEDDED: Final = ROOT / "examples" / "embedded_fastapi" / "app.py"


class Native:
    """The native example under way; `line()` is what it says next."""

    def __init__(self, demo: Demo, *words: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(NATIVE), "--print-url", "--issuer", demo.issuer, "--api", demo.api, *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def _read(self, stdout: Iterator[str]) -> None:
        for line in stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self, within: float = 20) -> str:
        try:
            return self._lines.get(timeout=within)
        except Empty:
            raise AssertionError("the native example says nothing") from None

    def end(self) -> tuple[int, str]:
        """Exit code, and what stands on standard error."""
        with self.process as process:
            assert process.stderr is not None
            return process.wait(20), process.stderr.read()


@pytest.fixture
def native(demo: Demo) -> Iterator[Native]:
    """The example, waiting for its answer."""
    made = Native(demo)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def open_consent(page: "Page", demo: Demo, native: Native) -> None:
    said = native.line()
    assert said.startswith("open http")
    page.goto(said.removeprefix("open "))
    page.get_by_label("Email").fill(BO)
    page.get_by_label("Password", exact=True).fill(demo.secrets[BO])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Let Orders for the terminal in?").wait_for()


@pytest.mark.soak
def test_the_native_example_signs_in_calls_refreshes_logs_out_and_is_refused(
    page: "Page", demo: Demo, native: Native
) -> None:
    open_consent(page, demo, native)
    page.screenshot(path=PICTURES / "native-consent.png", full_page=True)
    shown = page.inner_text("main")
    for words in ("See and place your own orders", "Keep you signed in while you are away", "on this device"):
        assert words in shown
    page.get_by_role("button", name="Let it in").click()
    page.get_by_text("Go back to the terminal").wait_for()
    assert native.line() == "signed in; the access token lives 300 s"
    assert native.line() == "GET /api/orders/mine → 200"
    assert native.line().startswith("refreshed")
    assert native.line() == "GET /api/orders/mine → 200"
    assert native.line().startswith("logged out")
    last = native.line()
    found = re.fullmatch(r"GET /api/orders/mine → 401, ([0-9.]+) s after logging out", last)
    assert found, last
    assert float(found[1]) <= POLL + 1
    assert native.end() == (0, "")


@pytest.mark.soak
def test_the_native_example_takes_no_for_an_answer(page: "Page", demo: Demo, native: Native) -> None:
    open_consent(page, demo, native)
    page.get_by_role("button", name="Refuse").click()
    page.get_by_text("Go back to the terminal").wait_for()
    assert native.end() == (1, "not signed in: access_denied\n")


@pytest.mark.soak
def test_the_native_example_keeps_its_refresh_token_between_runs_where_nobody_else_reads_it(
    page: "Page", demo: Demo, tmp_path: Path
) -> None:
    where = {"XDG_STATE_HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    assert Native(demo, "orders", **where).end() == (1, "not signed in: nobody is; begin with login\n")
    signing_in = Native(demo, "login", **where)
    open_consent(page, demo, signing_in)
    page.get_by_role("button", name="Let it in").click()
    assert signing_in.line() == "signed in"
    assert signing_in.end() == (0, "")
    (folder,) = tmp_path.iterdir()
    (file,) = [one for one in folder.iterdir() if one.name != "lock"]
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    tokens = [file.read_text()]
    runs = [Native(demo, "orders", **where) for _ in range(2)]  # at once: one waits for the other
    for run in runs:
        assert run.line() == "GET /api/orders/mine → 200"
        assert run.end() == (0, "")
    tokens.append(file.read_text())
    assert tokens[0] != tokens[1]
    assert Native(demo, "logout", **where).end() == (0, "")
    assert not file.exists()
    file.write_text(tokens[1])  # whoever had a copy has nothing
    assert Native(demo, "orders", **where).end() == (1, "not signed in: that is over; begin with login\n")
    assert not file.exists()


def test_the_native_example_says_so_when_nobody_is_there() -> None:
    address = f"http://localhost:{free_port()}"
    done = subprocess.run(
        [sys.executable, str(NATIVE), "--print-url", "--issuer", address, "--api", address],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "nobody answers there: is `make demo` running? Elsewhere say --issuer and --api"
    ]


@pytest.mark.parametrize("name", ["native/native.py", "native/own_form.py", "machine/machine.py"])
def test_an_example_without_the_demo_says_so_in_one_line(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / name)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(".demo/")
    assert "is not there: is `make demo` running?" in line


def own_form(demo: Demo, *lines: str) -> "subprocess.CompletedProcess[str]":
    """The example with a form of its own, to its end; `lines` are typed."""
    return subprocess.run(
        [sys.executable, str(OWN_FORM), "--settings", str(demo.state / "native.json")],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_example_with_a_form_of_its_own_signs_in_refreshes_logs_out_and_is_refused(demo: Demo) -> None:
    done = own_form(demo, BO, "a guess", BO, demo.secrets[BO])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "The username or the password is not right.",
        "signed in; the access token lives 300 s",
        "GET /api/orders/mine → 200",
        "refreshed: the old refresh token is spent, this one is new",
        "GET /api/orders/mine → 200",
    ]
    assert re.fullmatch(r"GET /api/orders/mine → 401, [0-9.]+ s after logging out", lines[-1])


def test_the_example_with_a_form_of_its_own_ends_where_nothing_is_typed(demo: Demo) -> None:
    done = own_form(demo)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "not signed in: nothing was typed\n")


def test_the_machine_example_gets_a_token_of_its_own_and_orders(demo: Demo) -> None:
    settings = demo.state / "machine.json"
    done = machine(settings)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "a token for demo-machine, good for 300 s, with the scope orders:own"
    assert second == "orders in its own name: 1"


def test_the_machine_example_is_told_when_its_secret_is_wrong_and_when_nobody_is_there(
    demo: Demo, tmp_path: Path
) -> None:
    wrong = tmp_path / "machine.json"
    given = json.loads((demo.state / "machine.json").read_text("utf-8"))
    wrong.write_text(json.dumps({**given, "client_secret": "another"}))
    done = machine(wrong)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "/token answered 401\n")
    done = machine(tmp_path / "nothing.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("is not there: is `make demo` running?\n")


def machine(settings: Path) -> "subprocess.CompletedProcess[str]":
    """The machine's example to its end."""
    command = [sys.executable, str(MACHINE), "--settings", str(settings)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.soak
def test_the_example_in_a_page_signs_in_survives_a_reload_and_steps_up_for_what_wants_more(
    page: "Page", demo: Demo, orders_page: str
) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(orders_page)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Email").fill(BO)
    page.get_by_label("Password", exact=True).fill(demo.secrets[BO])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in.").wait_for()
    page.get_by_text("A programme").wait_for()
    kept = page.evaluate(
        "JSON.stringify({...sessionStorage, ...localStorage}) + document.cookie + location.href"
    )
    assert "eyJ" not in kept, "tokens are in memory and nowhere else"
    page.reload()
    page.get_by_text("Signed in, as you were.").wait_for()
    page.get_by_role("button", name=re.compile("^Cancel order .* A programme")).click()
    page.get_by_role("heading", name="Sign in again").wait_for()
    assert page.get_by_label("Email").input_value() == BO
    page.get_by_label("Password", exact=True).fill(demo.secrets[BO])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Not now, go back to the app").click()
    page.get_by_text("Nothing was cancelled.").wait_for()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("A programme").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    page.reload()
    page.get_by_text("Nobody is signed in here.").wait_for()
    assert complaints == []


@pytest.fixture
def web(demo: Demo, tmp_path: Path) -> Iterator[str]:
    """The web application, started as its docstring says."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(WEB.parent), "app:app"]
    with open(tmp_path / "web.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(demo.web_port)],
            env={**os.environ, "WEB_APP_SETTINGS": str(demo.state / "web.json")},
            stdout=log,
            stderr=log,
        )

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "web.log").read_text("utf-8")
        with contextlib.suppress(OSError), urllib.request.urlopen(demo.web, timeout=5) as reply:
            return bool(reply.status == 200)
        return False

    wait_until(answers, "the web application", pause=0.1)
    yield demo.web
    process.terminate()
    process.wait(10)


@pytest.mark.soak
def test_the_web_example_signs_in_calls_and_signs_out(page: "Page", demo: Demo, web: str) -> None:
    page.goto(web)
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Email").fill(BO)
    page.get_by_label("Password", exact=True).fill(demo.secrets[BO])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Let it in").click()
    page.get_by_role("heading", name="Hello, Bo").wait_for()
    kept = [cookie["value"] for cookie in page.context.cookies(web) if cookie["name"] == "orders-web"]
    assert len(kept) == 1
    assert "eyJ" not in base64.b64decode(kept[0].split(".")[0] + "==").decode(), "no token in the browser"
    page.get_by_role("link", name="Your orders").click()
    assert {order["customer"] for order in json.loads(page.inner_text("body"))} == {"Bo"}
    page.goto(web)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("Nobody is signed in.").wait_for()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Password", exact=True).wait_for()


@pytest.mark.soak
def test_the_web_example_refreshes_what_has_run_out_and_forgets_whom_the_issuer_ended(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_APP_SETTINGS", str(demo.state / "web.json"))
    with ThreadPoolExecutor(1) as pool:  # the browser of this file keeps a loop in its own thread
        pool.submit(asyncio.run, refresh_and_be_ended(demo)).result()


async def refresh_and_be_ended(demo: Demo) -> None:
    there = runpy.run_path(str(WEB))
    transport = httpx2.ASGITransport(app=there["app"])
    async with httpx2.AsyncClient(transport=transport, base_url=demo.web) as browser:
        with Person(demo.issuer, (BO, demo.secrets[BO], "Bo", ())) as bo:
            away = (await browser.get("/login")).headers["location"]
            landed = await to_thread.run_sync(lambda: bo.go(away, until=demo.web))
        assert (await browser.get(landed.url)).headers["location"] == "/"
        (held,) = there["SIGNED_IN"].values()
        first = held["access_token"]
        held["expires_at"] = 1
        assert (await browser.get("/orders")).status_code == 200
        assert held["access_token"] != first
        assert demo.admit("user", "disable", BO).returncode == 0
        try:
            held["expires_at"] = 1
            assert (await browser.get("/orders")).headers["location"] == "/"
        finally:
            assert demo.admit("user", "enable", BO).returncode == 0
        assert there["SIGNED_IN"] == {}


@pytest.mark.soak
def test_the_web_example_takes_no_answer_that_it_did_not_ask_for(page: "Page", web: str) -> None:
    page.goto(f"{web}/callback?code=made-up&state=made-up")
    page.get_by_text("Not signed in: mismatching_state.").wait_for()


def ask(address: str) -> tuple[int, Message, Any]:
    """Status, headers and JSON of a GET."""
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status, reply.headers, json.load(reply)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, json.load(refused)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The application with an issuer in it, started as its docstring says."""
    tmp_path = tmp_path_factory.mktemp("embedded")
    port = free_port()
    home = f"http://localhost:{port}"
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EMBEDDED.parent), "app:app"]
    with open(tmp_path / "embedded.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={**os.environ, "EMBEDDED_HOME": home, "EMBEDDED_DATA": str(tmp_path / "data")},
            stdout=log,
            stderr=log,
        )
    until = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError):
            if ask(f"{home}/auth/health/ready")[0] == 200:
                break
        assert process.poll() is None, (tmp_path / "embedded.log").read_text("utf-8")
        assert time.monotonic() < until
        time.sleep(0.1)
    yield home
    process.terminate()
    process.wait(10)


@pytest.mark.soak
def test_the_embedded_example_signs_up_and_its_api_knows_the_session(page: "Page", embedded: str) -> None:
    assert len(EMBEDDED.read_text("utf-8").splitlines()) <= 60
    page.goto(f"{embedded}/api/me")
    assert json.loads(page.inner_text("body"))["error"] == "unauthorized"
    page.goto(f"{embedded}/auth/signup")
    page.get_by_label("Your name").fill("Eve")
    page.get_by_label("Email").fill("eve@example.com")
    page.get_by_label("Password", exact=True).fill("three words here")
    page.get_by_role("button", name="Make account").click()
    page.wait_for_url(f"{embedded}/auth/account**")
    page.screenshot(path=PICTURES / "embedded-account.png", full_page=True)
    answer = page.goto(f"{embedded}/api/me")
    assert answer is not None
    assert answer.status == 200
    assert answer.json()["by"] == "session"
    assert "Eve" not in page.content()


def test_the_embedded_example_refuses_strangers_and_tells_where_everything_is(embedded: str) -> None:
    status, headers, _ = ask(f"{embedded}/api/me")
    assert status == 401
    assert headers["www-authenticate"].startswith("Bearer")
    for path in ("/.well-known/oauth-authorization-server/auth", "/auth/.well-known/openid-configuration"):
        assert ask(embedded + path)[2]["issuer"] == f"{embedded}/auth"


def test_the_apis_document_what_they_refuse(demo: Demo, embedded: str) -> None:
    for address, path in ((demo.api, "/api/orders"), (embedded, "/api/me")):
        operation = ask(f"{address}/openapi.json")[2]["paths"][path]["get"]
        assert {"401", "403"} <= operation["responses"].keys(), address
        assert operation["security"]
