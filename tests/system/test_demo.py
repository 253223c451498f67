"""What a person sees in the demo, in Chromium: one login, by session and by token, and its end."""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from scripts.attack import __main__ as attack
from tests.fixtures.demo import ADA, BO, POLL, Demo
from tests.plugins.patience import slack
from tests.system.sample_app import SEEN_GOOD, SIGN_IN, SampleApp

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PASSWORD = "three words here"
# The page asks each second, and each of these steps takes its moment on a busy machine.
SLACK = 0.5 + slack()


@pytest.fixture
def app(page: "Page", demo: Demo) -> Iterator[SampleApp]:
    """The sample app, which nothing may disturb: no error thrown, nothing blocked by a policy."""
    made = SampleApp(page, demo)
    yield made
    assert made.complaints == []


def test_sign_up_leads_back_to_the_app_and_the_account_is_there_at_the_next_sign_in(
    app: SampleApp, chromium: "Browser", demo: Demo
) -> None:
    app.open()
    app.picture("landing")
    app.sign_up("Cy", "cy@example.com", PASSWORD)
    assert app.page.locator(".person-name").inner_text() == "Cy"
    assert app.press("My orders")[0]["title"] == "Let in"
    assert "No orders." in app.card(0)["text"]
    fresh = chromium.new_context()
    again = SampleApp(fresh.new_page(), demo)
    again.open()
    again.page.get_by_role("button", name="Sign in").click()
    again.fill("cy@example.com", "three words hers")
    again.page.get_by_text("Email and password do not match").wait_for()
    again.fill("cy@example.com", PASSWORD)
    again.at_desk()
    fresh.close()


@pytest.mark.soak
def test_both_modes_carry_one_principal_and_the_page_counts_what_each_costs(app: SampleApp) -> None:
    app.sign_in(BO)
    by_session, stranger = app.press("My orders")
    app.picture("session")
    assert by_session["title"] == "Let in"
    assert by_session["calls made"] == "2\nlook-up of the session, orders from the database"
    assert by_session["carried"] == "60 bytes", "the name made from the issuer's URL, and 43 characters"
    assert "Two tickets, row F" in by_session["text"]
    assert "A plain framework needs three calls" in app.page.inner_text("main")
    assert (stranger["title"], stranger["carried"], stranger["calls made"]) == ("Refused", "nothing", "0")
    assert "127.0.0.1 is another site, so the browser did not send it" in stranger["text"]
    assert "Ports do not separate cookies" in by_session["text"]

    app.choose("token")
    by_token, elsewhere = app.press("My orders")
    app.picture("token")
    token = app.answers()[-1]["access_token"]
    for card in (by_token, elsewhere):
        assert card["title"] == "Let in"
        assert card["calls made"] == "1\norders from the database"
        assert card["carried"] == f"{len('Bearer ' + token)} bytes"
        assert "Two tickets, row F" in card["text"]
    words = app.page.get_by_role("region", name="What the ticket says").inner_text()
    assert "How it is made void early" in words
    assert "openid, orders:own, profile" in words, "orders:read was asked and is not Bo's"


def test_all_orders_are_the_admins_and_403_says_what_is_missing(
    app: SampleApp, chromium: "Browser", demo: Demo
) -> None:
    challenges: list[tuple[int, str]] = []

    def note(response: Any) -> None:
        if response.url == f"{demo.api}/api/orders":
            challenges.append((response.status, response.headers.get("www-authenticate", "")))

    app.page.on("response", note)
    app.sign_in(BO)
    for mode, calls in (("session", "1\nlook-up of the session"), ("token", "0")):
        app.choose(mode)
        refused, _ = app.press("All orders")
        assert (refused["title"], refused["calls made"]) == ("Not allowed", calls)
    for status, challenge in challenges:
        assert status == 403
        assert challenge.startswith("Bearer ")
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="orders:read"' in challenge
    assert len(challenges) == 2

    admin = chromium.new_context()
    ada = SampleApp(admin.new_page(), demo)
    ada.sign_in(ADA)
    for mode in ("session", "token"):
        ada.choose(mode)
        shown, _ = ada.press("All orders")
        assert shown["title"] == "Let in"
        assert "Bo" in shown["text"]
        assert "Ada" in shown["text"]
    ada.picture("admin")
    assert ada.complaints == []
    admin.close()


@pytest.mark.soak
def test_an_order_by_session_needs_the_csrf_token_and_the_page_has_it(app: SampleApp, demo: Demo) -> None:
    app.sign_up("Dee", "dee@example.com", PASSWORD)
    placed, _ = app.press("Place an order")
    assert "A ticket stub, framed" in placed["text"]
    post = """async ([url, headers, credentials]) =>
        (await fetch(url, { method: "POST", headers, credentials })).status"""
    address = f"{demo.api}/api/orders/mine"
    assert app.page.evaluate(post, [address, {}, "include"]) == 403
    assert app.page.evaluate(post, [address, {"X-CSRF-Token": "x" * 43}, "include"]) == 403
    listed, _ = app.press("My orders")
    assert listed["text"].count("A ticket stub, framed") == 1
    app.choose("token")
    placed, _ = app.press("Place an order")
    assert placed["text"].count("A ticket stub, framed") == 2


@pytest.mark.threat("6819-4.1.3")
@pytest.mark.threat("SES-2", off_system="admit.credentials.cookies:set_cookie")
def test_no_script_finds_a_token_or_the_session_after_sign_in_rotation_and_reload(
    app: SampleApp, demo: Demo
) -> None:
    app.sign_in(BO)
    app.choose("token")
    app.page.get_by_role("button", name="Rotate the refresh token").click()
    app.page.get_by_text("rotated so far: 1").wait_for()
    first, second = answers = app.answers()
    assert first["refresh_token"] != second["refresh_token"]
    stored = [app.storage()]
    before, app.replies = len(app.asked), []
    app.page.reload()
    app.at_desk()
    app.picture("reloaded")
    silent = [line for line in app.asked[before:] if f"{demo.issuer}/authorize" in line]
    assert len(silent) == 1
    assert "prompt=none" in silent[0]
    assert not any("/login" in line for line in app.asked[before:])
    assert "You typed nothing" in app.page.locator(".notice").inner_text()
    stored.append(app.storage())
    answers += app.answers()
    app.page.goto(f"{demo.issuer}/account")
    stored.append(app.storage())
    cookies = [cookie for cookie in app.page.context.cookies() if cookie["name"].startswith("admit-dev-")]
    assert len(cookies) == 3, "the session's, the one that binds forms to this browser, and this device's"
    for cookie in cookies:
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["domain"] == "localhost"
    values = [cookie["value"] for cookie in cookies]
    tokens = [
        answer[kind]
        for answer in answers
        for kind in ("access_token", "refresh_token", "id_token")
        if kind in answer
    ]
    assert len(tokens) >= 8
    for dump in stored:
        assert not any(secret in dump for secret in tokens + values)
        assert '"cookie": ""' in dump
        assert '"local": {}' in dump
        assert '"databases": []' in dump


@pytest.mark.threat("SES-5")
def test_log_out_ends_session_and_refresh_token_at_once_and_the_access_token_within_poll_plus_1_second(
    app: SampleApp, demo: Demo
) -> None:
    app.sign_in(BO)
    cookies = app.page.context.cookies()
    tokens = app.answers()[-1]
    app.page.get_by_role("button", name="Log out").click()
    app.page.get_by_text("You are logged out").wait_for()
    app.page.get_by_text("Session: refused at once").wait_for(timeout=15_000)
    app.page.get_by_text("Refresh token: refused at once").wait_for(timeout=15_000)
    app.page.get_by_text("The API refuses the old token at both of its addresses").wait_for()
    app.picture("logged-out")
    for words in app.page.locator(".lane-words").all_inner_texts():
        assert words.startswith(SEEN_GOOD), words
        seconds = float(words.removeprefix(SEEN_GOOD).split(" s ")[0])
        assert seconds <= POLL + 1 + SLACK, words
    # Whoever kept the cookie or the refresh token has nothing.
    kept = app.page.context.browser
    assert kept is not None
    thief = kept.new_context()
    thief.add_cookies([{"name": one["name"], "value": one["value"], "url": demo.issuer} for one in cookies])
    held: dict[str, str | float | bool] = {
        "grant_type": "refresh_token",
        "client_id": "demo-spa",
        "refresh_token": tokens["refresh_token"],
    }
    assert thief.request.get(f"{demo.api}/api/orders/mine").status == 401
    assert thief.request.post(f"{demo.issuer}/token", form=held).json()["error"] == "invalid_grant"
    opened = thief.new_page()
    opened.goto(f"{demo.issuer}/account")
    assert SIGN_IN.search(opened.url)
    thief.close()
    app.page.get_by_role("button", name="Done").click()
    app.page.get_by_text("You are signed out.").wait_for()
    app.page.get_by_text("Session: over").wait_for()
    app.picture("signed-out")
    app.page.reload()
    app.page.get_by_role("button", name="Sign in").wait_for()


def test_the_back_button_shows_nothing_of_the_account_after_signing_out(app: SampleApp, demo: Demo) -> None:
    app.page.goto(f"{demo.issuer}/account")
    app.fill(BO)
    app.page.get_by_text(BO).first.wait_for()
    app.page.get_by_role("button", name="Sign out").click()
    app.page.get_by_role("heading", name="You are signed out").wait_for()
    app.page.go_back()
    app.page.wait_for_load_state()
    assert BO not in app.page.content()


def test_a_user_who_is_disabled_from_the_terminal_is_out_everywhere_and_can_come_back(
    app: SampleApp, demo: Demo
) -> None:
    app.sign_up("Eve", "eve@example.com", PASSWORD)
    app.page.get_by_role("button", name="Watch the token").click()
    app.page.locator(".dot.fine").nth(1).wait_for()
    done = demo.admit("user", "disable", "eve@example.com")
    ended = time.monotonic()
    assert done.returncode == 0, done.stderr
    app.page.locator(".lane-words.refused").nth(1).wait_for()
    took = time.monotonic() - ended
    app.picture("disabled")
    assert took <= POLL + 1 + SLACK, "the page asks each second"
    assert app.press("My orders")[0]["title"] == "Refused"
    app.page.get_by_role("button", name="Reload this page").click()
    app.page.get_by_role("button", name="Sign in").wait_for()
    assert "signed out at the issuer" in app.page.locator(".notice").inner_text()
    app.page.get_by_role("button", name="Sign in").click()
    app.fill("eve@example.com", PASSWORD)
    app.page.get_by_text("Email and password do not match").wait_for()
    assert demo.admit("user", "enable", "eve@example.com").returncode == 0
    app.fill("eve@example.com", PASSWORD)
    app.at_desk()


def test_every_attack_of_the_script_on_the_running_demo_is_refused(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make attack`. That it sees what is not refused: tests/unit/scripts/test_attack.py."""
    monkeypatch.setattr(sys, "argv", ["attack", "--demo", str(demo.state), "--json"])
    with ThreadPoolExecutor(1) as apart:  # the browser has an event loop in this thread
        code = apart.submit(attack.main).result()
    printed = capsys.readouterr()
    told = json.loads(printed.out)["attacks"]
    assert [one for one in told if one["verdict"] == "accepted"] == []
    not_tried = [one["answered"] for one in told if one["verdict"] == "not_tried"]
    assert not_tried == ["no mail is sent here"]
    assert len({one["row"] for one in told if one["verdict"] == "refused"}) >= 30
    assert code == 0, printed.err
