"""One person's whole way, in Chromium, in both languages, light and dark, on a desk and on a phone: an account is made,
applications are let in, want a surer sign-in, are listed, taken back, and signed out of.

Every page on the way is looked at as `tests/fixtures/looks.py` has it, shown to axe, and kept as a picture in
`.cache/screens/run`. The application is `examples/spa`, whose short way is in `test_examples.py`.
"""

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pyotp
import pytest

from admit.issuer.app.pages.catalogue import Text, load
from admit.issuer.app.pages.language import CHINESE, LANGUAGES
from tests.fixtures.axe import serious
from tests.fixtures.browser import SCREENS
from tests.fixtures.demo import Demo
from tests.fixtures.issuer import pkce
from tests.fixtures.looks import FAULTS, Scheme

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator

PICTURES: Final = SCREENS / "run"
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
DRESSES: Final = tuple(itertools.product(LANGUAGES, SCHEMES, (1280, 360)))
LOCALES: Final = {"en": "en-GB", "zh-Hans": "zh-CN"}
NAMES: Final = {"en": "Robin", "zh-Hans": "李文"}
# What is the same in every language: names of people, programs and places, and what an app on a phone is given.
FOREIGN: Final = re.compile(
    r"\S+@\S+|(localhost|127\.0\.0\.1)(:\d+)?|Orders( in a page| on the web| for the terminal)?|Admit demo|English"
    r"|(Headless)?Chrom\w+|Linux|Robin|client_id|[0-9a-f]{16}|[0-9A-Z-]{29}|[A-Z2-7]{4}"
)


class Walk:
    """One browser in one dress, on the issuer's pages."""

    def __init__(self, context: "BrowserContext", axe: str, dress: tuple[str, Scheme, int]) -> None:
        self.lang, self.scheme, self.width = dress
        self.page = context.new_page()
        self.page.emulate_media(color_scheme=self.scheme, reduced_motion="reduce")
        self.words: Text = load(self.lang)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._axe, self._seen = axe, itertools.count(1)

    def at(self, name: str, title: str | None = None, **values: str) -> None:
        """The page that has this heading is there, and as it should be."""
        if title is not None:
            self.page.get_by_role("heading", name=self.words(title, **values), exact=True, level=1).wait_for()
            assert self.page.locator("html").get_attribute("lang") == self.lang
        picture = f"{next(self._seen):02}-{name}-{self.lang}-{self.scheme}-{self.width}.png"
        self.page.screenshot(path=PICTURES / picture, full_page=True)
        if title is None:
            return
        self.page.keyboard.press("Tab")
        assert self.page.evaluate(FAULTS) == [], name
        assert serious(self.page, self._axe) == [], name
        if self.lang == CHINESE:
            assert re.findall(r"[A-Za-z]{3,}", FOREIGN.sub("", self.page.inner_text("body"))) == [], name

    def button(self, text: str, **values: str) -> "Locator":
        return self.page.get_by_role("button", name=self.words(text, **values), exact=True)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.locator(f"#{name}").fill(value)


def asking(demo: Demo, client: str, redirect_uri: str, scope: str, **more: str) -> str:
    """An authorization request of a client that the demo knows."""
    asked = {
        "response_type": "code", "client_id": client, "redirect_uri": redirect_uri, "scope": scope, "state": "s",
        "code_challenge": pkce()[1], "code_challenge_method": "S256", **more,
    }  # fmt: skip
    return f"{demo.issuer}/authorize?{urlencode(asked)}"


class Arrived(BaseHTTPRequestHandler):
    """Where the demo's web application would take its answers."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>x</title><h1>Arrived</h1>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not a word."""


@pytest.fixture
def web(demo: Demo) -> Iterator[str]:
    """The redirect URI of the demo's web application, and somebody there."""
    with ThreadingHTTPServer(("127.0.0.1", demo.web_port), Arrived) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"{demo.web}/callback"
        server.shutdown()
        thread.join(5)


@pytest.mark.soak
@pytest.mark.parametrize("dress", DRESSES, ids=lambda dress: "-".join(map(str, dress)))
def test_everything_on_the_way_is_fit_for_everybody(
    chromium: "Browser", demo: Demo, orders_page: str, web: str, axe: str, dress: tuple[str, Scheme, int]
) -> None:
    context = chromium.new_context(
        bypass_csp=True, locale=LOCALES[dress[0]], viewport={"width": dress[2], "height": 780}
    )
    walk = Walk(context, axe, dress)
    page, name = walk.page, NAMES[walk.lang]
    email, password = f"{'-'.join(map(str, dress)).lower()}@example.com", "three words here"

    # An account is made on the way to the application, which is the issuer's own and asks for nothing.
    page.goto(orders_page)
    page.get_by_role("button", name="Sign in").click()
    walk.at("sign-in", "sign_in.title")
    page.get_by_role("link", name=walk.words("sign_in.sign_up")).click()
    walk.at("sign-up", "sign_up.title")
    walk.fill(name=name, email=email, password=password)
    walk.button("sign_up.submit").click()
    page.get_by_text("Signed in.").wait_for()
    page.get_by_role("button", name="Order a ticket stub").click()
    page.get_by_role("button", name=re.compile("Cancel")).wait_for()
    walk.at("application")

    # It calls an API that wants two factors, RFC 9470: there are none yet.
    page.get_by_role("button", name=re.compile("Cancel")).click()
    walk.at("step-up", "sign_in.again")
    assert page.locator("#email").input_value() == email
    walk.fill(password=password)
    walk.button("sign_in.submit").click()
    walk.at("step-up-set-up", "second_factor.add_title")
    phone = pyotp.TOTP(page.locator(".secret code").inner_text().replace(" ", ""))
    walk.fill(code=phone.now())
    walk.button("second_factor.turn_on").click()
    walk.at("step-up-codes", "recovery.title")
    codes = page.locator("#codes code").all_inner_texts()
    page.get_by_role("link", name=walk.words("recovery.kept")).click()
    page.get_by_text(re.compile(r"Order \d+ is cancelled")).wait_for()
    walk.at("stepped-up")

    # A sign-in may be too old for a client (max_age), and this person has an app now.
    page.goto(asking(demo, "demo-web", web, "openid profile email orders:own", max_age="0"))
    walk.at("too-old", "sign_in.again")
    walk.fill(password=password)
    walk.button("sign_in.submit").click()
    walk.at("code", "second_factor.title")
    page.get_by_role("link", name=walk.words("second_factor.use_recovery")).click()
    walk.at("recovery-code", "second_factor.recovery_title")
    walk.fill(code=codes[0])
    walk.button("sign_in.submit").click()
    walk.at("consent", "consent.title", client="Orders on the web")
    assert page.get_by_text(walk.words("consent.remembered")).count() == 1
    walk.button("consent.allow").click()
    page.get_by_role("heading", name="Arrived").wait_for()
    page.goto(asking(demo, "demo-web", web, "openid profile email orders:own"))
    page.get_by_role("heading", name="Arrived").wait_for()  # what was remembered is not asked again

    # A program on the person's own device is asked about each time, and may be kept out.
    page.goto(asking(demo, "demo-native", "http://127.0.0.1:1/callback", "openid offline_access orders:own"))
    walk.at("consent-device", "consent.title", client="Orders for the terminal")
    page.go_back()

    # What was let in is listed, and taken back; then it is asked about again.
    page.goto(f"{demo.issuer}/account")
    walk.at("account", "account.title")
    assert page.get_by_text(walk.words("account.app_remembered")).count() == 1
    walk.button("account.end_app_label", client="Orders on the web").click()
    page.get_by_text(walk.words("notice.app_ended")).wait_for()
    walk.at("account-taken-back", "account.title")
    page.goto(asking(demo, "demo-web", web, "openid profile email orders:own"))
    walk.button("consent.refuse").click()
    page.get_by_role("heading", name="Arrived").wait_for()
    assert "error=access_denied" in page.url

    # A client asks for the end without proof of who it is, so the person is asked; then the account's own button.
    asked = {"client_id": "demo-page", "post_logout_redirect_uri": f"{demo.page}/", "state": "signed-out"}
    page.goto(f"{demo.issuer}/logout?{urlencode(asked)}")
    walk.at("sign-out", "logout.title")
    walk.button("logout.submit").click()
    walk.at("signed-out", "signed_out.title")
    page.get_by_role("link", name=walk.words("signed_out.back", client="Orders in a page")).click()
    page.get_by_text("You are signed out.").wait_for()
    sign_in_by_recovery_code(
        walk, lambda: page.get_by_role("button", name="Sign in").click(), email, password, codes
    )
    page.get_by_text("Signed in.").wait_for()
    page.get_by_role("button", name="Sign out").click()  # with its ID token: nobody is asked
    page.get_by_text("You are signed out.").wait_for()
    page.goto(f"{demo.issuer}/account")
    walk.at("sign-in-to-account", "sign_in.title")

    # What is wrong with a request is told on a page, to the person and to who made the application.
    page.goto(asking(demo, "nobody", web, "openid"))
    walk.at("unknown-client", "error.client_unknown.title")
    assert walk.complaints == []
    context.close()


def sign_in_by_recovery_code(
    walk: Walk, begin: Callable[[], None], email: str, password: str, codes: list[str]
) -> None:
    """The phone's code of this half minute is spent: the second step by a recovery code."""
    begin()
    walk.fill(email=email, password=password)
    walk.button("sign_in.submit").click()
    walk.page.get_by_role("link", name=walk.words("second_factor.use_recovery")).click()
    walk.fill(code=codes[1])
    walk.button("sign_in.submit").click()
