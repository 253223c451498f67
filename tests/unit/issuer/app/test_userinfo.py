"""What `/userinfo` and `/token` say to those they refuse."""

import pytest

from admit.cli.explain_settings import settings_of
from admit.errors import TooBusyError
from admit.issuer.accounts.passwords import PasswordHasher
from tests.fixtures.issuer import ADA, API, Browser, LiveIssuer


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.rfc("6750", "3.1")
async def test_without_a_token_the_challenge_has_no_error(browser: Browser) -> None:
    for headers in ({}, {"authorization": "Basic YTpi"}):
        refused = await browser.get("/userinfo", headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="admit"'


@pytest.mark.rfc("6750", "3")
async def test_a_token_that_is_none_is_told_in_the_challenge(browser: Browser) -> None:
    good = (await browser.tokens())["access_token"]
    assert (await browser.get("/userinfo", headers=bearer(good))).status_code == 200
    for token in ("abc", good[:-2], good + "A"):
        refused = await browser.get("/userinfo", headers=bearer(token))
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]


@pytest.mark.rfc("6750", "3.1")
async def test_a_token_without_openid_lacks_a_scope(browser: Browser) -> None:
    tokens = await browser.tokens(scope="orders:own", resource="http://localhost:8410")
    refused = await browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert refused.status_code == 403
    assert refused.json()["error"] == "insufficient_scope"
    assert 'scope="openid"' in refused.headers["www-authenticate"]


@pytest.mark.rfc("9068", "4")
async def test_a_token_for_an_api_alone_is_refused_and_the_operator_learns_why(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens(client="native", scope="openid orders:own", resource=API)
    refused = await browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    await issuer.ring.write()
    (kept,) = await issuer.ring.find(refused.headers["admit-error-id"])
    assert settings_of(kept.kind, kept.detail) == ("client.userinfo_audience", "client.default_resource")
    assert settings_of("SignatureError", kept.detail) == ()


async def test_a_refresh_with_scope_tells_nothing_of_another_clients_family(browser: Browser) -> None:
    token = (await browser.tokens(client="spa", scope="openid"))["refresh_token"]
    for scope in ("openid", "openid email"):
        answer = await browser.token("native", grant_type="refresh_token", refresh_token=token, scope=scope)
        assert answer.json()["error"] == "invalid_grant"
    wider = await browser.token("spa", grant_type="refresh_token", refresh_token=token, scope="openid email")
    assert wider.json()["error"] == "invalid_scope"


async def test_a_busy_answer_costs_no_try(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(self: PasswordHasher, stored: str | None, password: bytes, **kwargs: object) -> None:
        raise TooBusyError("full")

    with monkeypatch.context() as patched:
        patched.setattr(PasswordHasher, "verify", busy)
        for _ in range(issuer.settings.accounts.tries_per_account + 2):
            assert (await browser.sign_in(ADA)).status_code == 503
    assert (await browser.sign_in(ADA)).status_code == 303
