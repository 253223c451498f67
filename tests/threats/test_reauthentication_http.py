"""SES-7, SES-1, 6819-4.1.5: proving oneself once more, and what wants it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from admit.credentials import cookies
from admit.issuer.outbox import MailConfig
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, BO, ISSUER, Browser, LiveIssuer, make_issuer, settings_for
from tests.threats.whole import SESSION_COOKIE, everything

pytestmark = pytest.mark.anyio
LATER = 5 * 60 + 1


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """An issuer with all that it can serve."""
    mail = MailConfig(url="console:", sender="Admit <no-reply@id.example>")
    made = make_issuer(replace(settings_for(furnished_sqlite), mail=mail), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


# What guards the account, with a form that would change it, and the way that leads there once more.
GUARDED: tuple[tuple[str, dict[str, str], str], ...] = (
    ("/account", {"do": "end_everything"}, "/login?again=1"),
    ("/account/email", {"do": "change", "email": "thief@example.org"}, "/login?again=1&next=email"),
    ("/account/second-factor", {"do": "add"}, "/login?again=1&next=second-factor"),
    ("/account/second-factor", {"do": "codes"}, "/login?again=1&next=second-factor"),
)


async def token_of(browser: Browser) -> str:
    found: str = (await browser.get("/api/session")).json()["csrf_token"]
    return found


async def submit(browser: Browser, path: str, form: dict[str, str]) -> httpx2.Response:
    return await browser.post(
        path, data={"csrf": await token_of(browser), **form}, headers={"origin": ISSUER}
    )


@pytest.mark.threat("SES-7", off="admit.issuer.sessions.rules:is_fresh")
async def test_an_unlocked_screen_is_not_enough_to_change_what_guards_the_account(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    issuer.clock.advance(LATER)
    before = await everything(issuer)
    for path, form, way in GUARDED:
        refused = await submit(browser, path, form)
        assert (refused.status_code, refused.headers.get("location")) == (303, way), form
        assert await same_but_seen(issuer, before), form
    assert (await browser.get("/api/session")).status_code == 200, "the session itself goes on"


async def same_but_seen(issuer: LiveIssuer, before: dict[str, list[dict[str, object]]]) -> bool:
    """Whether nothing changed but when the session was used."""
    await issuer.services.sessions.settle()
    after = await everything(issuer)
    for tables in (before, after):
        tables["session"] = [{**row, "last_seen_at": 0} for row in tables["session"]]
        tables.pop("refusal", None)
    return before == after


async def test_who_just_signed_in_is_not_asked_again(browser: Browser) -> None:
    await browser.sign_in()
    for path, form, _ in reversed(GUARDED):  # the end of everything last
        taken = await submit(browser, path, form)
        assert taken.status_code != 403, form
        assert not taken.headers.get("location", "").startswith("/login"), form


async def test_the_page_for_a_new_password_asks_for_the_present_one_itself(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    before = await everything(issuer)
    for current in ("", "a guess"):
        form = {"current_password": current, "new_password": "another good long one"}
        assert (await submit(browser, "/account/password", form)).status_code == 400
    after = await everything(issuer)
    assert after["user_account"] == before["user_account"]
    assert after["session"] == before["session"]


async def test_what_guards_nothing_asks_nobody_again(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    issuer.clock.advance(LATER)
    sid = (await browser.get("/api/session")).json()["sid"]
    named = await submit(browser, "/account", {"do": "name", "session": sid, "name": "The old laptop"})
    assert named.headers["location"] == "/account?done=named"
    others = await submit(browser, "/account", {"do": "end_others"})
    assert others.headers["location"] == "/account?done=others"
    assert (await submit(browser, "/account", {"do": "sign_out"})).status_code == 200


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_proving_oneself_again_gives_the_session_a_new_id_and_a_new_time(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    before, token = (await browser.get("/api/session")).json(), await token_of(browser)
    old = browser.cookies[SESSION_COOKIE]
    issuer.clock.advance(LATER)
    page = await browser.get("/login", params={"again": "1", "next": "second-factor"})
    assert ADA[0] in page.text
    assert "Type your password again" in page.text
    assert 'name="next" value="second-factor"' in page.text
    proved = await browser.submit(
        "/login", page.text, email=ADA[0], password=ADA[1], again="1", next="second-factor"
    )
    assert (proved.status_code, proved.headers["location"]) == (303, "/account/second-factor")
    assert browser.cookies[SESSION_COOKIE] != old
    after = (await browser.get("/api/session")).json()
    assert after["sid"] == before["sid"], "it is the same session, and what it let in goes on"
    planted = issuer.browser()
    planted.headers["cookie"] = f"{SESSION_COOKIE}={old}"
    assert (await planted.get("/api/session")).status_code == 401, "the old id is worth nothing"
    stale = await browser.post("/account", data={"csrf": token, "do": "sign_out"}, headers={"origin": ISSUER})
    assert stale.status_code == 403, "and so is its token"
    assert (await submit(browser, "/account", {"do": "end_everything"})).status_code == 200


async def test_a_wrong_password_leaves_everything_as_it_was_and_asks_once_more(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    old = browser.cookies[SESSION_COOKIE]
    issuer.clock.advance(LATER)
    page = await browser.get("/login", params={"again": "1", "next": "email"})
    wrong = await browser.submit(
        "/login", page.text, email=ADA[0], password="a guess", again="1", next="email"
    )
    assert wrong.status_code == 400
    assert "Type your password again" in wrong.text
    assert 'name="next" value="email"' in wrong.text
    assert browser.cookies[SESSION_COOKIE] == old
    refused = await submit(browser, "/account", {"do": "end_everything"})
    assert refused.headers["location"] == "/login?again=1"


async def test_somebody_else_who_signs_in_there_is_somebody_else(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    old = browser.cookies[SESSION_COOKIE]
    issuer.clock.advance(LATER)
    page = await browser.get("/login", params={"again": "1", "next": "email"})
    await browser.submit("/login", page.text, email=BO[0], password=BO[1], again="1", next="email")
    shown = (await browser.get("/account")).text
    assert BO[0] in shown
    assert ADA[0] not in shown
    gone = issuer.browser()
    gone.headers["cookie"] = f"{SESSION_COOKIE}={old}"
    assert (await gone.get("/api/session")).status_code == 401


async def test_who_is_not_signed_in_sees_the_usual_form(browser: Browser) -> None:
    page = await browser.get("/login", params={"again": "1", "next": "password"})
    assert "Type your password again" not in page.text
    assert 'name="next" value="password"' in page.text
    signed_in = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1], next="password")
    assert signed_in.headers["location"] == "/account/password"


ELSEWHERE = (
    "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/account/email", "Email",
    "email/../../x", "email\u2028", "second-factor/", "x" * 5_000,
)  # fmt: skip


@pytest.mark.threat(
    "6819-4.1.5", off=["admit.issuer.app.after_sign_in:known", "admit.issuer.app.after_sign_in:path_of"]
)
async def test_the_way_back_is_never_an_address_that_was_sent(issuer: LiveIssuer) -> None:
    for next in ELSEWHERE:
        browser = issuer.browser()
        page = await browser.get("/login", params={"next": next})
        assert page.status_code == 200
        assert 'name="next"' not in page.text, next
        signed_in = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1], next=next)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/account"), next
        once_more = await browser.get("/login", params={"next": next})
        assert (once_more.status_code, once_more.headers["location"]) == (303, "/account"), next


@pytest.mark.threat("SES-7", off="admit.issuer.sessions.rules:is_fresh")
async def test_programs_are_told_in_a_word_that_the_sign_in_is_too_old(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    issuer.clock.advance(LATER)
    headers = {"x-csrf-token": await token_of(browser), "origin": ISSUER}
    before = await everything(issuer)
    refused = await browser.delete("/api/sessions?offline=true", headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "reauthentication_required")
    assert await same_but_seen(issuer, before)
    sid = (await browser.get("/api/session")).json()["sid"]
    named = await browser.patch(f"/api/sessions/{sid}", json={"name": "Here"}, headers=headers)
    assert named.status_code == 204, "a name guards nothing"


async def test_a_session_whose_cookie_was_planted_never_becomes_fresh(
    issuer: LiveIssuer, browser: Browser
) -> None:
    planted = cookies.encode_session_id(b"p" * 32)
    page = await browser.get("/login")
    browser.cookies.set(SESSION_COOKIE, planted, domain="localhost.local")
    signed_in = await browser.submit("/login", page.text, email=ADA[0], password=ADA[1], again="1")
    assert signed_in.status_code == 303
    attacker = issuer.browser()
    attacker.headers["cookie"] = f"{SESSION_COOKIE}={planted}"
    assert (await attacker.get("/api/session")).status_code == 401
