"""What a yes covers, what a waiting request may hold, guessed secrets, and forms of other sites, over HTTP."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from admit.issuer.accounts.transactions import RightPassword
from admit.issuer.audit import RequestInfo
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
    BO,
    WEB_SECRET,
    Browser,
    LiveIssuer,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)
from tests.threats.whole import rows, user_id_of

pytestmark = pytest.mark.anyio


@pytest.mark.threat("6819-4.4.3.2", off="admit.issuer.app.consenting:shown_scope")
async def test_a_role_given_later_gives_a_client_nothing_that_nobody_was_asked_about(
    issuer: LiveIssuer, browser: Browser
) -> None:
    granted = await browser.tokens(BO, "native", scope="openid offline_access orders:own orders:read")
    assert granted["scope"] == "offline_access openid orders:own"
    bo = await user_id_of(issuer, BO[0])
    await issuer.services.accounts.add_role(bo, "admin", info=RequestInfo(), now=issuer.clock.now)
    refreshed = (await browser.refresh(granted["refresh_token"], "native")).json()
    assert refreshed["scope"] == "offline_access openid orders:own"
    wider = await browser.refresh(refreshed["refresh_token"], "native", scope="orders:read")
    assert wider.json()["error"] == "invalid_scope"


async def test_a_new_yes_covers_what_a_new_role_allows(issuer: LiveIssuer, browser: Browser) -> None:
    bo = await user_id_of(issuer, BO[0])
    await issuer.services.accounts.add_role(bo, "admin", info=RequestInfo(), now=issuer.clock.now)
    granted = await browser.tokens(BO, "native", scope="openid orders:own orders:read")
    assert granted["scope"] == "openid orders:own orders:read"


@pytest.mark.threat("6819-4.4.1.11", off="admit.issuer.oauth.authorize.steps:understood")
async def test_a_request_that_waits_keeps_only_what_is_understood(
    issuer: LiveIssuer, browser: Browser
) -> None:
    request = {
        **request_of("spa"),
        "code_challenge": pkce()[1],
        "ui_locales": "zh",
        "login_hint": "a@b.example",
    }
    padding = {f"x{number}": "y" * 500 for number in range(12)}
    assert (await browser.get("/authorize", params={**request, **padding})).status_code == 303
    (kept,) = await rows(issuer, "interaction")
    assert json.loads(kept["request"]) == {"parameters": request, "pushed": None, "hinted": None}


@pytest.mark.threat("6819-4.4.1.11", off="admit.issuer.app.routes.authorize:check_length")
async def test_a_request_that_waits_is_no_longer_than_an_address(
    issuer: LiveIssuer, browser: Browser
) -> None:
    request = {**request_of("spa"), "code_challenge": pkce()[1], "state": "s" * 5_000}
    assert (await browser.get("/authorize", params=request)).status_code == 303
    answer = await browser.get("/authorize", params={**request, "login_hint": "h" * 4_000})
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert len(await rows(issuer, "interaction")) == 1


@pytest.mark.threat("6819-4.4.1.11", off="admit.issuer.grants.interactions:check_room")
async def test_one_network_has_only_so_many_requests_wait(furnished_sqlite: str, keyring: Keyring) -> None:
    settings = replace(settings_for(furnished_sqlite), grants=GrantsConfig(waiting_per_network=3))
    issuer, request = make_issuer(settings, keyring), {**request_of("spa"), "code_challenge": pkce()[1]}

    async def ask(ip: str) -> int:
        browser = issuer.browser(ip)
        status = (await browser.get("/authorize", params=request)).status_code
        await browser.aclose()
        return status

    async with issuer.lifespan():
        assert [await ask("192.0.2.1") for _ in range(5)] == [303, 303, 303, 429, 429]
        assert len(await rows(issuer, "interaction")) == 3
        assert await ask("192.0.2.2") == 303
        issuer.clock.advance(GrantsConfig().interaction_lifetime.total_seconds())
        assert await ask("192.0.2.1") == 303


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.rules:same_credentials")
async def test_a_password_changed_during_a_sign_in_is_a_wrong_one(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = issuer.services.accounts
    check = accounts.try_password

    async def slow_check(**typed: Any) -> RightPassword | None:
        right = await check(**typed)
        if right is not None:
            await accounts.set_password(
                right.user.id, "another good one", info=RequestInfo(), now=issuer.clock.now
            )
        return right

    monkeypatch.setattr(type(accounts), "try_password", lambda self, **typed: slow_check(**typed))
    late = await browser.sign_in(ADA)
    assert (late.status_code, "location" in late.headers) == (400, False)
    assert (await browser.get("/account")).headers["location"] == "/login"
    assert await rows(issuer, "session") == []


@pytest.mark.threat("6819-4.3.5", off="admit.issuer.oauth.refusals:count_wrong_secret")
async def test_guessing_a_clients_secret_is_throttled_and_its_owner_is_not(issuer: LiveIssuer) -> None:
    guesser, owner = issuer.browser("192.0.2.1"), issuer.browser("192.0.2.2")
    form = {"grant_type": "refresh_token", "refresh_token": "none"}
    wrong = [await guesser.post("/token", data=form, auth=("web", f"guess {turn}")) for turn in range(30)]
    assert Counter(answer.status_code for answer in wrong) == {401: 20, 429: 10}
    assert int(wrong[-1].headers["retry-after"]) > 0
    for right in (owner, guesser):
        answer = await right.post("/token", data=form, auth=("web", WEB_SECRET))
        assert answer.json()["error"] == "invalid_grant", "who has the secret is never shut out"
    issuer.clock.advance(61)
    assert (await guesser.post("/token", data=form, auth=("web", "guess"))).status_code == 401


@pytest.mark.threat("6819-4.3.5", off="admit.issuer.oauth.refusals:count_wrong_secret")
async def test_guessing_a_resources_secret_is_throttled_and_the_resource_is_not(issuer: LiveIssuer) -> None:
    guesser, name = issuer.browser("192.0.2.1"), quote(API, safe="")
    body = {"id_hash": "A" * 43}
    wrong = [
        await guesser.post("/session/lookup", json=body, auth=(name, f"guess {turn}")) for turn in range(25)
    ]
    assert Counter(answer.status_code for answer in wrong) == {401: 20, 429: 5}
    assert (await guesser.post("/session/lookup", json=body, auth=(name, API_SECRET))).status_code == 404
    strangers = [await guesser.post("/session/lookup", json=body, auth=("nobody", "x")) for _ in range(25)]
    assert {answer.status_code for answer in strangers} == {401}


CROSS_SITE = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.routes.logout:may_clear")
async def test_another_sites_form_takes_no_session_cookie_away(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    cookieless = issuer.browser()  # what another site's form brings of Lax cookies: nothing
    for form in ({"csrf": "x"}, {"csrf": "x", "i": "y"}, {"state": "x"}):
        answer = await cookieless.post("/logout", data=form, headers=CROSS_SITE)
        assert "set-cookie" not in answer.headers
    assert "set-cookie" not in (await cookieless.get("/logout", headers=CROSS_SITE)).headers
    page = await browser.get("/logout")
    assert "Max-Age=0" in (await browser.submit("/logout", page.text)).headers["set-cookie"]


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.context:App.check_origin")
@pytest.mark.parametrize("path", ["/login", "/signup"])
async def test_another_sites_form_replaces_no_cookie_of_a_sign_in_under_way(
    browser: Browser, path: str
) -> None:
    answer = await browser.post(path, data={"csrf": "x", "email": ADA[0]}, headers=CROSS_SITE)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert ADA[0] not in answer.text
    stale = await browser.post(path, data={"csrf": "x"}, headers={"origin": Browser.origin})
    assert (stale.status_code, "set-cookie" in stale.headers) == (403, True), (
        "our own old form can be sent anew"
    )
