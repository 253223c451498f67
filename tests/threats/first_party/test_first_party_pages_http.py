"""Sign-in by JSON from a page: its own origin alone, and a session in the browser that began.

SES-1, SES-8, WEB-csrf.
"""

import pytest

from admit.issuer.app.devices import cookie_name
from tests.fixtures.first_party import Caller
from tests.fixtures.issuer import (
    ADA,
    BO,
    ISSUER,
    SPA,
    LiveIssuer,
)
from tests.threats.first_party.client import Counted, open_for, said
from tests.threats.whole import SESSION_COOKIE, rows

pytestmark = pytest.mark.anyio
ADVANCE = "admit.issuer.grants.flows:advance"


@pytest.mark.threat("WEB-csrf", off="admit.issuer.app.first_party:check_page")
async def test_no_other_page_takes_a_step(issuer: LiveIssuer, hashed: Counted) -> None:
    forged: list[dict[str, str]] = [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": f"{ISSUER}.evil.example"},
        {"origin": "http://localhost:8499"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    ]  # fmt: skip
    own = Caller(issuer, headers={"origin": SPA})
    for headers in forged:
        other = Caller(issuer, headers=headers)
        for session in (True, False):
            answer = await other.post(session=True) if session else (await other.begin())[0]
            said(answer, "csrf_failed", 403)
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
        flow = (await own.begin())[0].json()["flow"]
        said(await other.password(flow), "csrf_failed", 403)
    said(await Caller(issuer).post(session=True), "csrf_failed", 403)  # a program keeps no session
    assert hashed.tried == []
    text = '{"client_id": "app", "session": true}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        sent = await own.http.post("/api/login", content=text, headers={"content-type": kind})
        said(sent, "invalid_request", 415)
        assert sent.json()["error_description"] == "Send a JSON object as application/json."


@pytest.mark.threat("SES-8", off=ADVANCE)
async def test_a_page_of_the_client_gets_a_session_in_the_browser_that_began(issuer: LiveIssuer) -> None:
    page = Caller(issuer, headers={"origin": SPA})
    flow = await page.begin_session()
    thief = Caller(issuer, headers={"origin": SPA})
    said(await thief.password(flow), "invalid_session")
    await thief.begin_session()
    said(await thief.password(flow), "invalid_session")
    done = await page.password(flow)
    assert done.status_code == 200, done.text
    assert done.json().keys() == {"session"}
    assert done.json()["session"] == (await page.http.get("/api/session")).json()
    assert SESSION_COOKIE in page.http.cookies
    assert cookie_name(ISSUER, True) in page.http.cookies
    assert SESSION_COOKIE not in thief.http.cookies
    assert done.headers["access-control-allow-origin"] == SPA
    assert await rows(issuer, "authorization_code") == []
    for member in ("code_challenge", "scope", "resource", "nonce"):
        said(await page.post(session=True, **{member: "x"}), "invalid_request")


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_the_session_has_a_new_id_and_the_one_before_is_worth_nothing(
    issuer: LiveIssuer,
) -> None:
    page = Caller(issuer, headers={"origin": SPA})
    planted = "A" * 43
    page.http.cookies.set(SESSION_COOKIE, planted, domain="localhost.local", path="/")
    await page.password(await page.begin_session())
    ids = [page.http.cookies.get(SESSION_COOKIE, domain="localhost.local")]
    for who in (ADA, BO):
        assert (await page.password(await page.begin_session(), who)).status_code == 200
        ids.append(page.http.cookies.get(SESSION_COOKIE, domain="localhost.local"))
    assert len({planted, *ids}) == 4
    for old in (planted, *ids[:-1]):
        stranger = issuer.browser()
        stranger.cookies.set(SESSION_COOKIE, old or "")
        assert (await stranger.get("/api/session")).status_code == 401
    assert await open_for(issuer) == []
    assert await open_for(issuer, BO[0]) == ["session"]


async def test_pages_of_first_party_clients_alone_may_ask(issuer: LiveIssuer) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    browser = issuer.browser()
    asked = await browser.options("/api/login", headers={"origin": SPA, **preflight})
    assert (asked.status_code, asked.headers["access-control-allow-credentials"]) == (204, "true")
    refused = await browser.options("/api/login", headers={"origin": "https://evil.example", **preflight})
    assert refused.status_code == 405
