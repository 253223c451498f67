"""The pages as the demo serves them: without script, by keyboard alone, on a phone, in the dark, in Chinese."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.fixtures.demo import ADA, BO, PICTURES, Demo
from tests.system.sample_app import SampleApp

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

VERIFIER: Final = "a-verifier-of-a-test-that-is-long-enough-for-rfc-7636"
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
CHALLENGE: Final = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Elsewhere:
    """A server on 127.0.0.1, which is another site than the issuer: takes answers, and shows a bait."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self.bait = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/callback":
                    outer.taken.append({name: found[0] for name, found in parse_qs(parts.query).items()})
                content = (outer.bait if parts.path == "/bait" else "<title>Arrived</title>").encode()
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html>" + content)

            def log_message(self, format: str, *args: object) -> None:
                """Not a word."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def asks(self, demo: Demo, **more: str) -> str:
        """The native example's authorization request, to be answered here."""
        asked = {
            "response_type": "code",
            "client_id": "demo-native",
            "redirect_uri": f"{self.address}/callback",
            "scope": "openid profile offline_access orders:own",
            "state": "s",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        return f"{demo.issuer}/authorize?{urlencode(asked)}"


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A native app's loopback, or another site."""
    made = Elsewhere()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(5)


def sign_in(page: "Page", demo: Demo, email: str) -> None:
    page.locator("#email").fill(email)
    page.locator("#password").fill(demo.secrets[email])
    page.locator("button[type=submit]").click()


def test_without_script_people_sign_in_let_apps_in_end_sessions_and_sign_out(
    chromium: "Browser", demo: Demo, elsewhere: Elsewhere
) -> None:
    here, there = (chromium.new_context(java_script_enabled=False, locale="en-GB") for _ in range(2))
    page, other = here.new_page(), there.new_page()
    other.goto(f"{demo.issuer}/login")
    sign_in(other, demo, BO)
    assert urlsplit(other.url).path == "/account"

    page.goto(elsewhere.asks(demo))
    sign_in(page, demo, BO)
    assert "Let Orders for the terminal in?" in page.inner_text("h1")
    page.get_by_role("button", name="Refuse").click()
    assert elsewhere.taken.pop()["error"] == "access_denied"
    page.goto(elsewhere.asks(demo))
    page.get_by_role("button", name="Let it in").click()
    assert page.title() == "Arrived"
    answer = elsewhere.taken.pop()
    assert answer["iss"] == demo.issuer
    held: dict[str, str | float | bool] = {
        "grant_type": "authorization_code",
        "client_id": "demo-native",
        "redirect_uri": f"{elsewhere.address}/callback",
        "code_verifier": VERIFIER,
        "code": answer["code"],
    }
    assert here.request.post(f"{demo.issuer}/token", form=held).status == 200

    page.goto(f"{demo.issuer}/account")
    page.screenshot(path=PICTURES / "account.png", full_page=True)
    page.get_by_role("button", name="End all others").click()
    assert "All other sessions are ended" in page.inner_text("main")
    other.reload()
    assert "/login" in other.url
    sign_in(other, demo, BO)
    page.reload()
    page.get_by_role("button", name="End the session").click()
    assert "That session is ended" in page.inner_text("main")
    other.reload()
    assert "/login" in other.url

    page.goto(f"{demo.issuer}/logout")
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", name="You are signed out").is_visible()
    page.goto(f"{demo.issuer}/account")
    assert "/login" in page.url
    here.close()
    there.close()


def test_the_keyboard_is_enough_to_sign_in_and_to_let_an_app_in(
    page: "Page", demo: Demo, elsewhere: Elsewhere
) -> None:
    page.goto(elsewhere.asks(demo, prompt="login"))
    page.keyboard.type(BO)
    page.keyboard.press("Tab")
    page.keyboard.type(demo.secrets[BO])
    page.keyboard.press("Enter")
    page.wait_for_url("**/consent?**")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.value") == "allow":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "focus is seen"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{elsewhere.address}/callback**")
    assert "code" in elsewhere.taken[0]


@pytest.mark.soak
def test_everything_fits_a_phone_also_in_the_dark(
    chromium: "Browser", demo: Demo, elsewhere: Elsewhere
) -> None:
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, reduced_motion="reduce", locale="en-GB"
    )
    app = SampleApp(context.new_page(), demo)
    page = app.page

    def fits(name: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=PICTURES / f"phone-{scheme}-{name}.png", full_page=True)
            channels = page.evaluate(
                "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
            )
            assert (sum(channels) < 3 * 64) == (scheme == "dark"), name

    app.open()
    page.get_by_role("button", name="Sign in").wait_for()
    fits("landing")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Make an account").click()
    page.get_by_role("heading", name="Make an account").wait_for()
    fits("sign-up")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    fits("sign-in")
    app.fill(ADA)
    app.at_desk()
    app.press("All orders")
    fits("session")
    app.choose("token")
    app.press("All orders")
    fits("token")
    page.goto(elsewhere.asks(demo))
    fits("consent")
    page.goto(f"{demo.issuer}/account")
    fits("account")
    app.open()
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("The API refuses the old token at both of its addresses").wait_for()
    fits("logged-out")
    assert app.complaints == []
    context.close()


@pytest.mark.soak
def test_chinese_is_spoken_to_whom_the_app_or_the_browser_says_so(
    chromium: "Browser", demo: Demo, elsewhere: Elsewhere
) -> None:
    for way in ("ui_locales", "accept-language"):
        context = chromium.new_context(locale="zh-CN" if way == "accept-language" else "en-GB")
        page = context.new_page()
        page.goto(elsewhere.asks(demo, **({"ui_locales": "zh-Hans en"} if way == "ui_locales" else {})))
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert page.get_by_role("button", name="登录").is_visible()
        page.screenshot(path=PICTURES / f"zh-{way}-sign-in.png", full_page=True)
        page.locator("#email").fill(BO)
        page.locator("#password").fill("not the password")
        page.locator("button[type=submit]").click()
        page.locator("#problem").wait_for()
        assert page.locator("html").get_attribute("lang") == "zh-Hans", "an error keeps the language"
        sign_in(page, demo, BO)
        page.wait_for_url("**/consent?**")
        assert "查看和提交你自己的订单" in page.inner_text("main"), "the API's own words"
        page.screenshot(path=PICTURES / f"zh-{way}-consent.png", full_page=True)
        page.get_by_role("link", name="English").click()
        page.get_by_role("button", name="Let it in").wait_for()
        page.get_by_role("link", name="简体中文").click()
        page.get_by_role("button", name="允许").click()
        page.wait_for_url(f"{elsewhere.address}/callback**")
        context.close()


@pytest.mark.threat("6819-4.4.1.9", off_system="admit.issuer.app.headers:framing")
def test_another_site_that_frames_the_issuer_shows_nothing_and_nothing_is_approved(
    page: "Page", demo: Demo, elsewhere: Elsewhere
) -> None:
    page.goto(f"{demo.issuer}/login")
    sign_in(page, demo, BO)
    page.wait_for_url("**/account?**")
    for framed in (elsewhere.asks(demo), f"{demo.issuer}/login", f"{demo.issuer}/nothing-here"):
        elsewhere.bait = f'<iframe src="{framed.replace("&", "&amp;")}" width=800 height=700></iframe>'
        page.goto(f"{elsewhere.address}/bait")
        page.wait_for_load_state("networkidle")
        inside = page.frames[1]
        assert inside.locator("main").count() == 0, framed
        page.mouse.click(300, 500)
        page.keyboard.press("Enter")
    assert elsewhere.taken == []
