"""O-4: while a check cannot be made the answer is no, with 503 and a time to come back; then all is as before."""

from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI

from admit.credentials import cookies, csrf
from admit.errors import StorageUnavailableError
from admit.integrations.fastapi import Guard
from admit.jose import base64url
from admit.principal import Principal
from tests.fixtures.issuer import ADA, API, API_SECRET, SPA, Browser, LiveIssuer, pkce, request_of
from tests.threats.whole import SESSION_COOKIE, everything

pytestmark = pytest.mark.anyio
CHECK_CURRENT = "admit.verifier.freshness:check_current"


def assert_no(response: httpx2.Response, why: object) -> None:
    assert response.status_code == 503, (why, response.status_code)
    assert int(response.headers["retry-after"]) >= 1, why
    assert "location" not in response.headers, why
    assert "set-cookie" not in response.headers, why


async def away(*args: Any, **kwargs: Any) -> Any:
    raise StorageUnavailableError("the database is away")


async def test_without_the_store_nobody_is_let_in_and_nothing_is_given(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await browser.tokens()
    code, verifier = await browser.code()
    raw = cookies.decode_session_id(browser.cookies[SESSION_COOKIE].encode())
    field = {"csrf": csrf.token(raw)}
    stranger = issuer.browser()
    sign_in_page = (await stranger.get("/login")).text
    id_hash = base64url.encode(cookies.id_hash(raw)).decode()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    asked = {**request_of("spa"), "code_challenge": pkce()[1]}
    ours = {"origin": "http://localhost:8410"}
    before = await everything(issuer)

    with monkeypatch.context() as patch:
        for name in ("run", "read", "one"):
            patch.setattr(issuer.db, name, away)
        for why, answer in {
            "code": await browser.redeem(code, verifier),
            "unknown code": await browser.redeem("A" * 43, verifier),
            "refresh": await browser.refresh(tokens["refresh_token"]),
            "wrong client secret": await browser.post(
                "/token", data={"grant_type": "x"}, auth=("web", "wrong")
            ),
            "revoke": await browser.post(
                "/revoke", data={"token": tokens["refresh_token"], "client_id": "spa"}
            ),
            "look-up": await browser.post(
                "/session/lookup", json={"id_hash": id_hash}, auth=(quote(API, safe=""), API_SECRET)
            ),
            "userinfo": await browser.get("/userinfo", headers=bearer),
            "authorize": await browser.get("/authorize", params=asked),
            "silent": await browser.get("/authorize", params={**asked, "prompt": "none"}),
            "stranger": await stranger.get("/authorize", params=asked),
            "sign-in": await stranger.submit("/login", sign_in_page, email=ADA[0], password=ADA[1]),
            "sign-up": await stranger.submit(
                "/signup", sign_in_page, name="Eve", email="eve@example.com", password="long enough for it"
            ),
            "account": await browser.get("/account"),
            "account POST": await browser.post("/account", data={**field, "do": "sign_out"}, headers=ours),
            "consent": await browser.post(
                "/consent", data={**field, "i": "x", "decision": "allow"}, headers=ours
            ),
            "log out": await browser.get("/logout", params={"id_token_hint": tokens["id_token"]}),
            "api session": await browser.get("/api/session"),
            "api log out": await browser.delete(
                "/api/session", headers={"origin": SPA, "x-csrf-token": csrf.token(raw)}
            ),
            "head": await browser.get("/status/head", params={"nonce": "n" * 32}),
            "list": await browser.get("/status/0"),
            "lists": await browser.get("/status"),
            "ready": await browser.get("/health/ready"),
        }.items():
            assert_no(answer, why)
        for path in ("/health/live", "/jwks", "/.well-known/openid-configuration"):
            assert (await browser.get(path)).status_code == 200, path

    assert await everything(issuer) == before, "nothing was stored and nothing was spent"
    assert (await browser.redeem(code, verifier)).status_code == 200
    assert (await browser.refresh(tokens["refresh_token"])).status_code == 200
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.threat("O-4", off="admit.issuer.oauth.userinfo:check_alive")
async def test_userinfo_says_nothing_while_it_cannot_know_of_ends(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = {"authorization": f"Bearer {(await browser.tokens())['access_token']}"}
    assert (await browser.get("/userinfo", headers=bearer)).status_code == 200
    monkeypatch.setattr(issuer.status, "refresh", away)
    assert_no(await browser.get("/userinfo", headers=bearer), "userinfo")


@pytest.fixture
def api(issuer: LiveIssuer) -> FastAPI:
    """An API in the issuer's own process."""
    guard = Guard(issuer.verifier, sessions=issuer.sessions, audience=API, origins={SPA})
    app = FastAPI()

    @app.get("/orders")
    async def orders(who: Annotated[Principal, guard("orders:read", role="admin")]) -> str:
        return who.subject

    @app.get("/open")
    async def open_(who: Annotated[Principal | None, guard.optional()]) -> str:
        return who.subject if who else "nobody"

    return app


async def ask(api: FastAPI, path: str, headers: dict[str, str]) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url=API) as client:
        return await client.get(path, headers=headers)


@pytest.mark.threat("O-4", off=CHECK_CURRENT)
async def test_a_guard_that_hears_no_more_of_ends_lets_nobody_in(
    issuer: LiveIssuer, browser: Browser, api: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = {"authorization": f"Bearer {(await browser.tokens())['access_token']}"}
    await issuer.follow_once()
    assert (await ask(api, "/orders", bearer)).status_code == 200
    monkeypatch.setattr(issuer.status, "refresh", away)
    heard = issuer.verifier.core.boottime()
    for one in (issuer.verifier, issuer.verifier.core):
        monkeypatch.setattr(one, "boottime", lambda: heard + 31)
    issuer.clock.advance(60)  # a young token needs no list
    for path in ("/orders", "/open"):
        answer = await ask(api, path, bearer)
        assert_no(answer, path)
        assert answer.json()["error"] == "revocation_stale"
    monkeypatch.undo()
    await issuer.follow_once()
    assert (await ask(api, "/orders", bearer)).status_code == 200, "and it heals"


async def test_a_guard_that_cannot_look_a_session_up_lets_nobody_in(
    issuer: LiveIssuer, browser: Browser, api: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    cookie = {"cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
    await issuer.follow_once()
    assert (await ask(api, "/orders", cookie)).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(issuer.db, "read", away)
        for path in ("/orders", "/open"):
            assert_no(await ask(api, path, cookie), path)
    assert (await ask(api, "/orders", cookie)).status_code == 200
