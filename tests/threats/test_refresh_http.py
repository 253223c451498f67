"""9700-refresh, 6819-4.1.2, 4.5.2, 4.5.3: refresh tokens over HTTP, with the clock turned."""

import base64
import hashlib
import hmac
import sqlite3
from datetime import timedelta

import httpx2
import pytest

from tests.fixtures.issuer import Browser, LiveIssuer
from tests.threats.whole import again, rows

pytestmark = pytest.mark.anyio

RULES = "admit.issuer.grants.rules:"


def is_refused(response: httpx2.Response) -> bool:
    return (response.status_code, response.json().get("error")) == (400, "invalid_grant")


async def is_alive(browser: Browser, access_token: str) -> bool:
    told = await browser.get("/userinfo", headers={"authorization": f"Bearer {access_token}"})
    return told.status_code == 200


@pytest.mark.rfc("9700", "4.14.2")
@pytest.mark.threat("9700-refresh", off=f"{RULES}is_reuse")
@pytest.mark.threat("6819-4.1.2", off=f"{RULES}is_reuse")
async def test_an_old_token_after_the_grace_ends_the_whole_family(
    issuer: LiveIssuer, browser: Browser
) -> None:
    first = await browser.tokens()
    second = (await browser.refresh(first["refresh_token"])).json()
    issuer.clock.advance(29)
    lost_reply = (await browser.refresh(first["refresh_token"])).json()
    assert lost_reply["refresh_token"] == second["refresh_token"], "within the grace: the same successor"
    issuer.clock.advance(2)
    assert is_refused(await browser.refresh(first["refresh_token"]))
    assert is_refused(await browser.refresh(second["refresh_token"])), "the newest sibling is dead too"
    for tokens in (first, second, lost_reply):
        assert not await is_alive(browser, tokens["access_token"])


@pytest.mark.threat("9700-refresh", off=f"{RULES}is_reuse")
async def test_a_grandparent_ends_the_family_even_within_the_grace(browser: Browser) -> None:
    first = await browser.tokens()
    second = (await browser.refresh(first["refresh_token"])).json()
    third = (await browser.refresh(second["refresh_token"])).json()
    assert is_refused(await browser.refresh(first["refresh_token"]))
    assert is_refused(await browser.refresh(third["refresh_token"]))
    assert not await is_alive(browser, third["access_token"])


@pytest.mark.rfc("6749", "6")
@pytest.mark.threat("9700-refresh", off="admit.issuer.oauth.token.refresh_token:narrowed")
async def test_a_wider_scope_is_refused_and_costs_no_token(browser: Browser) -> None:
    tokens = await browser.tokens(scope="openid orders:own")
    wider = await browser.refresh(tokens["refresh_token"], scope="openid orders:own orders:read")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    narrower = await browser.refresh(tokens["refresh_token"], scope="orders:own")
    assert narrower.json()["scope"] == "orders:own"
    whole = await browser.refresh(narrower.json()["refresh_token"])
    assert whole.json()["scope"] == "openid orders:own", "the grant kept its own"
    elsewhere = await browser.refresh(whole.json()["refresh_token"], resource="https://other.example")
    assert elsewhere.json()["error"] == "invalid_target"
    assert (await browser.refresh(whole.json()["refresh_token"])).status_code == 200


@pytest.mark.threat("9700-refresh", off=[f"{RULES}over", "admit.issuer.revocation.store.nodes:lock_node"])
async def test_a_grant_ends_by_its_idle_and_by_its_absolute_clock(
    issuer: LiveIssuer, browser: Browser
) -> None:
    config = issuer.settings.grants
    idle = (await browser.tokens(client="native", scope="openid offline_access"))["refresh_token"]
    busy = (await browser.tokens(client="native", scope="openid offline_access"))["refresh_token"]
    step = config.refresh_idle - timedelta(seconds=1)
    passed = timedelta()
    while passed + step < config.refresh_absolute:
        issuer.clock.advance(step.total_seconds())
        passed += step
        refreshed = await browser.refresh(busy, "native")
        assert refreshed.status_code == 200, passed
        busy = refreshed.json()["refresh_token"]
        if passed == 2 * step:
            assert is_refused(await browser.refresh(idle, "native"))
    issuer.clock.advance((config.refresh_absolute - passed).total_seconds())
    assert is_refused(await browser.refresh(busy, "native"))


@pytest.mark.threat("9700-refresh", off=[f"{RULES}over", "admit.issuer.revocation.store.nodes:lock_node"])
@pytest.mark.threat("6819-4.4.3.3", off=[f"{RULES}over", "admit.issuer.revocation.store.nodes:lock_node"])
async def test_an_online_grant_is_no_longer_than_its_session(issuer: LiveIssuer, browser: Browser) -> None:
    tokens = await browser.tokens()
    issuer.clock.advance(issuer.settings.sessions.absolute.total_seconds() - 1)
    assert is_refused(await browser.refresh(tokens["refresh_token"])), "idle for eight hours"


@pytest.mark.threat("6819-4.1.2", off=f"{RULES}bound_to")
async def test_another_clients_token_is_refused_and_nothing_is_ended(browser: Browser) -> None:
    tokens = await browser.tokens()
    assert is_refused(await browser.refresh(tokens["refresh_token"], "web"))
    assert is_refused(await browser.refresh(tokens["refresh_token"], "native"))
    assert (await browser.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.threat("6819-4.1.2", off=[f"{RULES}over", "admit.issuer.revocation.store.nodes:lock_node"])
async def test_what_its_user_revoked_is_refused(issuer: LiveIssuer, browser: Browser) -> None:
    tokens = await browser.tokens()
    told = (await browser.get("/api/session")).json()
    [family] = await issuer.services.families.list(told["sub"], issuer.clock())
    assert family.client_id == "spa", "people can tell by application"
    at_home = issuer.browser()
    await at_home.sign_in()
    page = await at_home.get("/account")
    await at_home.submit("/account", page.text, do="end", session=told["sid"])
    assert is_refused(await browser.refresh(tokens["refresh_token"]))


@pytest.mark.rfc("6749", "10.4")
@pytest.mark.threat("6819-4.5.3", off="admit.issuer.grants.refresh_token:is_genuine")
async def test_no_altered_token_is_good_and_none_harms_the_family(browser: Browser) -> None:
    token = (await browser.tokens())["refresh_token"]
    kid, family, generation, mac = token.split(".")
    altered = {
        f"{kid}.{family}.{int(generation) + 1}.{mac}",
        f"{kid}.{family}.{generation}.{mac[:-1]}",
        f"{kid}.{family}.0{generation}.{mac}",
        f"{kid}.{family}.{generation}.{mac}=",
        f"{kid}.{family}.{generation}.{'A' * 43}",
        f" {token}",
        f"{token}.",
    }
    for place in range(0, len(token), 5):
        other = "B" if token[place] != "B" else "C"
        altered.add(token[:place] + other + token[place + 1 :])
    for forged in altered - {token}:
        assert is_refused(await browser.refresh(forged)), forged.replace(token, "…")
    assert (await browser.refresh(token)).status_code == 200


@pytest.mark.threat("6819-4.5.2", off="admit.issuer.grants.refresh_token:compute_mac")
async def test_nothing_that_the_database_holds_is_a_refresh_token(
    issuer: LiveIssuer, browser: Browser
) -> None:
    """Whoever copied the database has ids, salts and generations, and the format; not the key."""
    tokens = await browser.tokens()
    [family] = await rows(issuer, "grant_family")
    kid = tokens["refresh_token"].partition(".")[0]
    text = f"{family['node_id']}.{family['generation']}"
    guesses = (
        hashlib.sha256(family["salt"] + text.encode()).digest(),
        hashlib.sha256(text.encode() + family["salt"]).digest(),
        hmac.digest(family["salt"], text.encode(), hashlib.sha256),
        hmac.digest(b"", family["salt"] + text.encode(), hashlib.sha256),
    )
    for digest in guesses:
        mac = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert is_refused(await browser.refresh(f"{kid}.{text}.{mac}"))
    for value in (*family.values(), *(row["code_hash"] for row in await rows(issuer, "authorization_code"))):
        stored = value.hex() if isinstance(value, bytes) else str(value)
        assert (await browser.refresh(stored)).status_code == 400
    assert (await browser.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.threat("9700-refresh", off=f"{RULES}is_reuse")
async def test_a_restart_revives_no_generation(issuer: LiveIssuer, browser: Browser) -> None:
    first = await browser.tokens()
    second = (await browser.refresh(first["refresh_token"])).json()
    third = (await browser.refresh(second["refresh_token"])).json()
    await issuer.stop()
    later = again(issuer)
    async with later.lifespan():
        visitor = later.browser()
        assert is_refused(await visitor.refresh(first["refresh_token"]))
        assert is_refused(await visitor.refresh(third["refresh_token"]))
        await visitor.aclose()


async def test_a_database_that_went_back_in_time_refuses_and_ends_nothing(
    issuer: LiveIssuer, browser: Browser
) -> None:
    first = await browser.tokens()
    second = (await browser.refresh(first["refresh_token"])).json()
    path = issuer.settings.database_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as other:
        other.execute("UPDATE grant_family SET generation = 0")
    other.close()
    assert is_refused(await browser.refresh(second["refresh_token"]))
    assert [row["event"] for row in await rows(issuer, "audit")].count("refresh.ahead") == 1
    assert (await browser.refresh(first["refresh_token"])).status_code == 200
