"""O-3, SES-5, SES-6: what was answered as ended stays so, on every way in, after a restart, and for a Back button."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest

from admit.credentials import cookies
from admit.errors import TokenError
from admit.issuer.audit import RequestInfo
from admit.jose import base64url
from tests.fixtures.issuer import ADA, API, API_SECRET, SPA, Browser, LiveIssuer
from tests.threats.whole import SESSION_COOKIE, again

pytestmark = pytest.mark.anyio
INFO = RequestInfo()


@asynccontextmanager
async def restarted(issuer: LiveIssuer) -> AsyncIterator[LiveIssuer]:
    """The issuer stopped, and another begun on its database."""
    await issuer.stop()
    later = again(issuer)
    async with later.lifespan():
        yield later
        for one in later.open_browsers:
            await one.aclose()


class Held:
    """What somebody kept from before: a cookie, and the tokens of one grant."""

    def __init__(self, browser: Browser, tokens: dict[str, Any]) -> None:
        self.cookie = browser.cookies[SESSION_COOKIE]
        self.tokens = tokens

    async def ways_in(self, issuer: LiveIssuer) -> set[str]:
        """The ways in which this still lets somebody in. Nothing is used up by asking."""
        visitor = issuer.browser()
        visitor.cookies.set(SESSION_COOKIE, self.cookie, domain="localhost.local")
        bearer = {"authorization": f"Bearer {self.tokens['access_token']}"}
        id_hash = cookies.id_hash(cookies.decode_session_id(self.cookie.encode()))
        lookup = await visitor.post(
            "/session/lookup",
            json={"id_hash": base64url.encode(id_hash).decode()},
            auth=(quote(API, safe=""), API_SECRET),
        )
        found = {
            "account page": (await visitor.get("/account")).status_code == 200,
            "api session": (await visitor.get("/api/session")).status_code == 200,
            "look-up": lookup.status_code == 200,
            "in process": await issuer.sessions.find(id_hash, API, issuer.clock()) is not None,
            "userinfo": (await visitor.get("/userinfo", headers=bearer)).status_code == 200,
            "refresh": (await visitor.refresh(self.tokens["refresh_token"])).status_code == 200,
        }
        await issuer.follow_once()
        try:
            await issuer.verifier.verify(self.tokens["access_token"])
            found["verifier"] = True
        except TokenError:
            found["verifier"] = False
        await visitor.aclose()
        return {way for way, lets_in in found.items() if lets_in}


ALL = {"account page", "api session", "look-up", "in process", "userinfo", "refresh", "verifier"}
SESSION = {"account page", "api session", "look-up", "in process"}


async def log_out(issuer: LiveIssuer, browser: Browser) -> set[str]:
    page = await browser.get("/logout")
    assert (await browser.submit("/logout", page.text)).status_code == 200
    return ALL


async def log_out_from_afar(issuer: LiveIssuer, browser: Browser) -> set[str]:
    csrf_token = (await browser.get("/api/session")).json()["csrf_token"]
    headers = {"origin": SPA, "x-csrf-token": csrf_token}
    assert (await browser.delete("/api/session", headers=headers)).status_code == 204
    return ALL


async def disable(issuer: LiveIssuer, browser: Browser) -> set[str]:
    user = await issuer.services.accounts.find(ADA[0])
    assert user is not None
    await issuer.services.accounts.disable(user.id, info=INFO, now=issuer.clock())
    return ALL


async def set_password(issuer: LiveIssuer, browser: Browser) -> set[str]:
    user = await issuer.services.accounts.find(ADA[0])
    assert user is not None
    await issuer.services.accounts.set_password(
        user.id, "another good password", info=INFO, now=issuer.clock()
    )
    return ALL


async def end_from_another_browser(issuer: LiveIssuer, browser: Browser) -> set[str]:
    sid = (await browser.get("/api/session")).json()["sid"]
    at_home = issuer.browser()
    await at_home.sign_in()
    page = await at_home.get("/account")
    assert browser.cookies[SESSION_COOKIE] not in page.text, "a list of sessions tells no id that lets in"
    assert (await at_home.submit("/account", page.text, do="end", session=sid)).status_code == 303
    return ALL


Ending = Callable[[LiveIssuer, Browser], Awaitable[set[str]]]
ENDINGS = [log_out, log_out_from_afar, disable, set_password, end_from_another_browser]
NOTHING_ENDS = [
    "admit.issuer.sessions.rules:is_live",
    "admit.issuer.grants.rules:over",
    "admit.issuer.revocation.store.nodes:lock_node",
]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.threat("O-3", off=NOTHING_ENDS)
@pytest.mark.threat("O-3", off="admit.issuer.revocation.reading:bits_of")
@pytest.mark.threat("SES-5", off="admit.issuer.sessions.rules:is_live")
@pytest.mark.threat("SES-6", off="admit.issuer.sessions.rules:is_live")
async def test_what_was_ended_is_ended_on_every_way_in_and_after_a_restart(
    issuer: LiveIssuer, browser: Browser, ending: Ending
) -> None:
    held = Held(browser, await browser.tokens())
    assert await held.ways_in(issuer) == ALL
    other = again(issuer)
    async with other.lifespan():
        assert await held.ways_in(other) == ALL, "the other node knows them"
        gone = await ending(issuer, browser)
        assert not await held.ways_in(issuer) & gone, "on this node at once"
        assert not await held.ways_in(other) & gone, "on the other node as well"
    async with restarted(issuer) as later:
        assert not await held.ways_in(later) & gone, "and after a restart"


@pytest.mark.threat("O-3", off=NOTHING_ENDS)
async def test_a_revoked_grant_stays_revoked_after_a_restart_and_its_session_lives(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens()
    held = Held(browser, tokens)
    form = {"token": tokens["refresh_token"], "client_id": "spa"}
    assert (await browser.post("/revoke", data=form)).status_code == 200
    assert await held.ways_in(issuer) == SESSION
    async with restarted(issuer) as later:
        assert await held.ways_in(later) == SESSION


@pytest.mark.threat("O-3", off="admit.issuer.grants.rules:unspent")
@pytest.mark.threat("O-1", off=["admit.issuer.grants.rules:unspent", "admit.issuer.grants.codes:spend"])
async def test_a_spent_code_stays_spent_after_a_restart(issuer: LiveIssuer, browser: Browser) -> None:
    code, verifier = await browser.code()
    tokens = (await browser.redeem(code, verifier)).json()
    async with restarted(issuer) as later:
        visitor = later.browser()
        assert (await visitor.redeem(code, verifier)).json()["error"] == "invalid_grant"
        assert (await visitor.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.threat(
    "SES-6",
    off=["admit.issuer.accounts.rules:may_sign_in", "admit.issuer.revocation.store.holders:share_user"],
)
async def test_a_disabled_user_gets_no_new_session_and_no_use_of_a_code(
    issuer: LiveIssuer, browser: Browser
) -> None:
    code, verifier = await browser.code()
    await disable(issuer, browser)
    assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"
    page = await issuer.browser().get("/login")
    refused = await browser.sign_in()
    assert refused.status_code == 400
    assert page.status_code == 200


@pytest.mark.threat("SES-5", off="admit.issuer.app.headers:caching")
async def test_a_back_button_shows_nothing_after_logout(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    pages = [await browser.get(path) for path in ("/account", "/api/session", "/logout", "/")]
    started = await browser.get("/authorize", params={"client_id": "x"})
    for response in (*pages, started):
        assert response.headers["cache-control"] == "no-store", response.request.url.path
    out = await browser.submit("/logout", pages[2].text)
    assert out.headers["cache-control"] == "no-store"
    taken_back = [value for name, value in out.headers.multi_items() if name == "set-cookie"]
    assert [value for value in taken_back if value.startswith(f"{SESSION_COOKIE}=;") and "Max-Age=0" in value]
