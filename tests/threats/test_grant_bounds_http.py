"""What a yes covers, what a waiting request may hold, and a password that changes under a sign-in, over HTTP."""

import json
from typing import Any

import pytest

from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer, pkce, request_of
from tests.threats.whole import rows, user_id_of

pytestmark = pytest.mark.anyio


@pytest.mark.threat("6819-4.4.3.2", off="admit.issuer.app.flow:shown_scope")
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
    padding = {f"x{number}": "y" * 500 for number in range(30)}
    assert (await browser.get("/authorize", params={**request, **padding})).status_code == 303
    (kept,) = await rows(issuer, "interaction")
    assert json.loads(kept["request"]) == request


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.rules:same_credentials")
async def test_a_password_changed_during_a_sign_in_is_a_wrong_one(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = issuer.services.accounts
    check = accounts.check_password

    async def slow_check(**typed: Any) -> User | None:
        user = await check(**typed)
        if user is not None:
            await accounts.set_password(user.id, "another good one", info=RequestInfo(), now=issuer.clock.now)
        return user

    monkeypatch.setattr(type(accounts), "check_password", lambda self, **typed: slow_check(**typed))
    late = await browser.sign_in(ADA)
    assert (late.status_code, "location" in late.headers) == (400, False)
    assert (await browser.get("/account")).headers["location"] == "/login"
    assert await rows(issuer, "session") == []
