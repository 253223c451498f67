"""`make demo API=flask` and its like: the same orders API in every framework, and the pages cannot tell which.

The demo's own page is pressed through in Chromium in both modes, then the page of `examples/spa`, whose Cancel wants a
surer sign-in. What `make demo` starts without a name has tests in each run, in `test_demo.py`.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyotp
import pytest

from tests.fixtures.demo import ADA, APIS, POLL, ROOT, SERVE_PAGE, Demo
from tests.plugins.patience import patience, slack
from tests.system.sample_app import SEEN_GOOD, SampleApp

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.soak
PASSWORD: Final = "three words here"
# What a page's script sees of an answer: nothing at all without CORS headers on it.
ASK: Final = """async ([url, method, headers, credentials]) => {
    const reply = await fetch(url, { method, headers, credentials });
    return [reply.status, reply.headers.get("WWW-Authenticate") ?? ""];
}"""


class ByMake(Demo):
    """A demo as people start and end it: by `make`, and by Ctrl-C, which reaches the demo alone."""

    asked: str = ""

    def spawn(self) -> "subprocess.Popen[bytes]":
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                ["make", "demo", f"API={self.asked}"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self.environment(),
            )
        return self.process

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        assert self.process is not None
        (demo,) = self.children()
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            os.kill(demo, how)
        return process.wait(patience())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ByMake:
    """One folder for all of them, as on a laptop: users and sessions stay, the API's framework changes."""
    return ByMake(tmp_path_factory.mktemp("apis"))


@pytest.fixture(params=APIS)
def served(folder: ByMake, request: pytest.FixtureRequest) -> Iterator[ByMake]:
    """The demo with one of the APIs. It is ended while pages of it are open, as people do."""
    folder.asked = request.param
    before = len(folder.log)
    folder.start()
    try:
        yield folder
    finally:
        code = folder.stop()
    said = folder.log[before:]
    assert code == 0, said
    assert f"the orders API, {APIS[request.param]}\n" in said
    # The issuer tells of the refresh token that was tried when it was over; nobody has anything else to say.
    last_words = said.partition("make demo-reset forgets it.\n")[2].splitlines()
    assert [line for line in last_words if line and '"invalid_grant"' not in line] == []


@pytest.fixture
def orders_page(served: ByMake) -> Iterator[str]:
    """The address of `examples/spa` beside it."""
    command = [sys.executable, str(SERVE_PAGE), "--settings", str(served.state / "page.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"open {served.page}/\n"
            yield served.page
        finally:
            process.terminate()


def test_the_sample_app_cannot_tell_which_framework_answers(
    chromium: "Browser", page: "Page", served: ByMake, orders_page: str
) -> None:
    name = served.asked
    app = SampleApp(page, served)
    app.sign_up(f"Cy in {name}", f"{name}@example.com", PASSWORD)
    cancelling(page, served, orders_page, f"{name}@example.com")
    app.replies = []  # the browser lets those of pages before this one go
    app.open()
    app.at_desk()
    by_session(app)
    by_token(app)
    app.picture(f"api-{name}")
    preflights_are_for_our_pages(served)

    admins = chromium.new_context()
    ada = SampleApp(admins.new_page(), served)
    ada.sign_in(ADA)
    for mode in ("session", "token"):
        ada.choose(mode)
        shown, _ = ada.press("All orders")
        assert shown["title"] == "Let in"
        assert f"Cy in {name}" in shown["text"]
    assert ada.complaints == []
    admins.close()

    app.page.get_by_role("button", name="Log out").click()
    app.page.get_by_text("Session: refused at once").wait_for()
    app.page.get_by_text("Refresh token: refused at once").wait_for()
    app.page.get_by_text("The API refuses the old token at both of its addresses").wait_for()
    for words in app.page.locator(".lane-words").all_inner_texts():
        assert float(words.removeprefix(SEEN_GOOD).split(" s ")[0]) <= POLL + 1.5 + slack(), words
    app.picture(f"api-{name}-logged-out")
    assert app.complaints == []


def cancelling(page: "Page", served: ByMake, orders_page: str, email: str) -> None:
    """An order is cancelled by who adds a second factor for it, RFC 9470, and the API said so across origins."""
    page.goto(orders_page)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Order a ticket stub").click()
    page.get_by_role("button", name=re.compile("^Cancel order")).click()
    page.get_by_role("heading", name="Sign in again").wait_for()
    assert page.get_by_label("Email").input_value() == email
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    phone = pyotp.TOTP(page.locator(".secret code").inner_text().replace(" ", ""))
    page.locator("#code").fill(phone.now())
    page.get_by_role("button", name="Turn it on").click()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_text(re.compile(r"Order \d+ is cancelled")).wait_for()


def by_session(app: SampleApp) -> None:
    """The session's cookie comes along to the issuer's host, and changes things only with the CSRF token."""
    mine, stranger = app.press("My orders")
    assert (mine["title"], mine["carried"]) == ("Let in", "60 bytes")
    assert mine["calls made"] == "2\nlook-up of the session, orders from the database"
    assert "No orders." in mine["text"]
    assert (stranger["title"], stranger["carried"], stranger["calls made"]) == ("Refused", "nothing", "0")
    assert "No credential arrived" in stranger["text"]
    placed, _ = app.press("Place an order")
    assert placed["text"].count("A ticket stub, framed") == 1
    address = f"{app.demo.api}/api/orders/mine"
    for headers in ({}, {"X-CSRF-Token": "x" * 43}):
        assert asked(app, address, "POST", headers, "include")[0] == 403
    refused, _ = app.press("All orders")
    assert (refused["title"], refused["calls made"]) == ("Not allowed", "1\nlook-up of the session")


def by_token(app: SampleApp) -> None:
    """The token goes wherever the page sends it, and a script can read why it is refused."""
    app.choose("token")
    placed, elsewhere = app.press("Place an order")
    for card in (placed, elsewhere):
        assert (card["title"], card["calls made"]) == ("Let in", "1\norders from the database")
        assert card["text"].count("A ticket stub, framed") == 2, "both were asked, and one of them once"
    bearer = {"Authorization": f"Bearer {app.answers()[-1]['access_token']}"}
    assert placed["carried"] == f"{len(bearer['Authorization'])} bytes"
    refused, _ = app.press("All orders")
    assert (refused["title"], refused["calls made"]) == ("Not allowed", "0")
    for api in (app.demo.api, app.demo.other_site):
        status, challenge = asked(app, f"{api}/api/orders", "GET", bearer, "omit")
        assert status == 403
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="orders:read"' in challenge
        damaged = {"Authorization": f"{bearer['Authorization'][:-4]}AAAA"}
        status, challenge = asked(app, f"{api}/api/orders/mine", "GET", damaged, "omit")
        assert status == 401
        assert 'error="invalid_token"' in challenge
        assert asked(app, f"{api}/api/orders/mine/0", "DELETE", bearer, "omit")[0] in (401, 404)


def asked(
    app: SampleApp, url: str, method: str, headers: dict[str, str], credentials: str
) -> tuple[int, str]:
    status, challenge = app.page.evaluate(ASK, [url, method, headers, credentials])
    return status, challenge


def preflights_are_for_our_pages(served: ByMake) -> None:
    """Another page's script learns nothing, whatever the framework answers to its preflight."""
    for origin, allowed in ((served.spa, served.spa), ("https://evil.example", None), ("null", None)):
        for method, headers in (
            (
                "OPTIONS",
                {
                    "Access-Control-Request-Method": "DELETE",
                    "Access-Control-Request-Headers": "authorization",
                },
            ),
            ("GET", {}),
        ):
            request = urllib.request.Request(
                f"{served.api}/api/orders/mine", method=method, headers={"Origin": origin, **headers}
            )
            told: Any
            try:
                with urllib.request.urlopen(request, timeout=patience()) as reply:
                    told = reply.headers
            except urllib.error.HTTPError as refused:
                with refused:
                    told = refused.headers
            assert told.get("access-control-allow-origin") == allowed, (origin, method)
