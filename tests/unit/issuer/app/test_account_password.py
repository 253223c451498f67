"""`/account/password`: a new password against the current one, and what becomes of all that the old one opened."""

import asyncio
from typing import Any

import httpx2
import pytest

from admit.issuer.accounts import passwords
from admit.issuer.accounts.passwords import Match
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer
from tests.threats.whole import SESSION_COOKIE, events, rows, user_id_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
NEW = "another four words here"


async def change(
    browser: Browser, current: str = ADA[1], new: str = NEW, page: str | None = None
) -> httpx2.Response:
    shown = page if page is not None else (await browser.get("/account/password")).text
    return await browser.submit("/account/password", shown, current_password=current, new_password=new)


async def alive(browser: Browser) -> bool:
    return (await browser.get("/api/session")).status_code == 200


def cookie(browser: Browser) -> str:
    return next(one.value or "" for one in browser.cookies.jar if one.name == SESSION_COOKIE)


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
@pytest.mark.threat("SES-6", off="admit.issuer.sessions.password:all_but")
async def test_a_new_password_ends_all_but_this_session_which_gets_another_id(
    issuer: LiveIssuer, browser: Browser
) -> None:
    elsewhere, others = issuer.browser(), issuer.browser()
    here = await browser.tokens()
    offline = await elsewhere.tokens(ADA, "native", scope="openid offline_access orders:own")
    await others.sign_in(BO)
    sid, old = (await browser.get("/api/session")).json()["sid"], cookie(browser)
    done = await change(browser)
    assert (done.status_code, done.headers["location"]) == (303, "/account?done=password")
    assert "Your password is changed." in (await browser.get("/account?done=password")).text
    assert cookie(browser) != old
    assert (await browser.get("/api/session")).json()["sid"] == sid, "the same session goes on"
    planted = issuer.browser()
    planted.headers["cookie"] = f"{SESSION_COOKIE}={old}"
    assert not await alive(planted), "whoever has the old id has nothing"
    assert not await alive(elsewhere)
    assert await alive(others)
    for tokens, client in ((here, "spa"), (offline, "native")):
        assert (await browser.refresh(tokens["refresh_token"], client)).json()["error"] == "invalid_grant"
    stranger = issuer.browser()
    assert (await stranger.sign_in()).status_code == 400, "the old one opens nothing"
    assert (await stranger.sign_in((ADA[0], NEW, ADA[2], ADA[3]))).status_code == 303
    (told,) = [one for one in await events(issuer) if one["event"] == "user.changed"]
    assert (told["user_id"], told["session_id"]) == (await user_id_of(issuer, ADA[0]), sid)
    assert told["detail"]["change"] == "password"
    assert NEW not in str(await rows(issuer, "audit"))


async def test_how_and_when_somebody_signed_in_stays_as_it_was(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    (before,) = await rows(issuer, "session")
    issuer.clock.advance(300)
    assert (await change(browser)).status_code == 303
    (after,) = await rows(issuer, "session")
    for name in ("node_id", "auth_time", "acr", "amr", "absolute_expires_at", "created_at"):
        assert after[name] == before[name]
    assert after["id_hash"] != before["id_hash"]


@pytest.mark.threat("SES-7", off="admit.issuer.app.routes.account_password:reauthenticate")
async def test_an_unlocked_browser_alone_changes_no_password(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    elsewhere = issuer.browser()
    await elsewhere.sign_in()
    before = await rows(issuer, "user_account")
    for current in (BO[1], ADA[1].upper(), f" {ADA[1]}"):
        refused = await change(browser, current)
        assert refused.status_code == 400
        assert "That is not your password." in refused.text
        assert NEW not in refused.text
        assert current not in refused.text
        assert await rows(issuer, "user_account") == before
    assert await alive(browser)
    assert await alive(elsewhere)


UNFIT = (
    ("", "Type your password."),
    ("short", "Use at least 8 characters."),
    ("x y" * 400, "That is longer than we can take."),
    ("password", "among the first that are tried"),
    ("Admit2026", "little more than your name"),
    ("ada@example", "little more than your name"),
)


async def test_a_new_password_that_cannot_be_taken_is_told_before_anything_is_hashed(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    monkeypatch.setattr(passwords, "compare", lambda *_: pytest.fail("hashed"))
    page = (await browser.get("/account/password")).text
    for new, said in UNFIT:
        refused = await change(browser, ADA[1], new, page)
        assert refused.status_code == 400
        assert said in refused.text
        assert ADA[1] not in refused.text
        assert not new or f'value="{new}"' not in refused.text


async def test_guessing_the_current_password_is_throttled_as_any_sign_in(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    page = (await browser.get("/account/password")).text
    hashed = 0

    def counted(stored: str, password: bytes) -> Match:
        nonlocal hashed
        hashed += 1
        return Match.NO

    monkeypatch.setattr(passwords, "compare", counted)
    guesses = await asyncio.gather(*(change(browser, f"a guess {n}", NEW, page) for n in range(20)))
    assert sorted({one.status_code for one in guesses}) == [400, 429]
    assert hashed <= issuer.settings.accounts.tries_per_account
    late = next(one for one in guesses if one.status_code == 429)
    assert int(late.headers["retry-after"]) >= 1
    assert "Too many tries." in late.text


async def test_of_two_changes_at_once_one_is_made(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    page = (await browser.get("/account/password")).text
    answers = await asyncio.gather(
        *(change(browser, ADA[1], f"{NEW} {n}", page) for n in range(4)), return_exceptions=True
    )
    places = [one.headers.get("location") for one in answers if isinstance(one, httpx2.Response)]
    assert places.count("/account?done=password") == 1
    assert (await rows(issuer, "user_account"))[0]["credential_version"] in (1, 2)
    changed = [one for one in await events(issuer) if one["event"] == "user.changed"]
    assert len(changed) == 1


async def test_a_session_that_was_ended_meanwhile_changes_nothing(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    user_id = await user_id_of(issuer, ADA[0])
    before = await rows(issuer, "user_account")
    accounts = issuer.services.accounts
    hash_new_password = type(accounts).hash_new_password

    async def slow(self: Any, user: Any, password: str) -> str:
        await issuer.end_sessions(user_id, everywhere=True, reason="test", actor="test")
        return await hash_new_password(self, user, password)

    monkeypatch.setattr(type(accounts), "hash_new_password", slow)
    answer = await change(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert await rows(issuer, "user_account") == before


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.context:App.check_csrf")
async def test_no_form_of_another_page_changes_a_password(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    before = await rows(issuer, "user_account")
    for token, origin in (("", "http://localhost:8410"), ("A" * 43, "http://localhost:8410")):
        form = {"current_password": ADA[1], "new_password": NEW, "csrf": token}
        refused = await browser.post("/account/password", data=form, headers={"origin": origin})
        assert refused.status_code == 403
    assert await rows(issuer, "user_account") == before


async def test_who_is_not_signed_in_is_sent_to_sign_in(browser: Browser) -> None:
    for answer in (
        await browser.get("/account/password"),
        await browser.post("/account/password", data={"new_password": NEW}),
    ):
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_signing_up_tells_what_is_wrong_with_a_password(browser: Browser) -> None:
    page = (await browser.get("/signup")).text
    for password, said in (
        ("password", "among the first that are tried"),
        ("Admit2026", "little more than your name"),
        ("cyrano.b", "little more than your name"),
    ):
        form = {"name": "Cyrano B", "email": "cyrano.b@example.com", "password": password}
        refused = await browser.submit("/signup", page, **form)
        assert refused.status_code == 400
        assert said in refused.text
        assert f'value="{password}"' not in refused.text
