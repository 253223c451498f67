"""O-5: each authentication, grant, denial and revocation leaves exactly one record: who, what, which client, from
where, outcome.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from admit.issuer.audit import RequestInfo
from tests.fixtures.issuer import ADA, BO, SPA, Browser, LiveIssuer, pkce, request_of
from tests.threats.whole import events, user_id_of

pytestmark = pytest.mark.anyio
IP = "192.0.2.9"


@pytest.fixture
def browser(issuer: LiveIssuer) -> Browser:
    return issuer.browser(ip=IP)


@asynccontextmanager
async def told(issuer: LiveIssuer, *expected: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Within the block exactly these events are told, each once, from where and with which outcome."""
    before = {record["id"] for record in await events(issuer)}
    found: list[dict[str, Any]] = []
    yield found
    found += [record for record in await events(issuer) if record["id"] not in before]
    assert sorted(record["event"] for record in found) == sorted(expected)
    for record in found:
        assert (record["ip"], record["at"]) == (IP, issuer.clock.now), record["event"]
        assert record["request_id"], record["event"]
        denial = record["event"].endswith((".refused", ".failed", ".reused", ".ahead", "throttled"))
        assert record["outcome"] == ("refused" if denial else "done"), record["event"]


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_signing_up_in_and_out_is_told_once(issuer: LiveIssuer, browser: Browser) -> None:
    async with told(issuer, "signup", "login.succeeded") as found:
        page = await browser.get("/signup")
        form = {"name": "Cy", "email": "cy@example.com", "password": "a good long password"}
        assert (await browser.submit("/signup", page.text, **form)).status_code == 303
    cy = await user_id_of(issuer, "cy@example.com")
    assert {record["user_id"] for record in found} == {cy}
    sid = next(record["session_id"] for record in found if record["event"] == "login.succeeded")
    async with told(issuer, "logout") as found:
        page = await browser.get("/logout")
        assert (await browser.submit("/logout", page.text)).status_code == 200
    assert (found[0]["user_id"], found[0]["session_id"]) == (cy, sid)
    async with told(issuer, "login.succeeded") as found:
        await browser.sign_in(BO)
    assert found[0]["user_id"] == await user_id_of(issuer, BO[0])
    async with told(issuer, "login.succeeded", "session.ended", "code.issued") as found:
        form_page = await again_by_force(browser)
        assert (await browser.submit("/login", form_page, email=ADA[0], password=ADA[1])).status_code == 303
    ended = next(record for record in found if record["event"] == "session.ended")
    assert (ended["user_id"], ended["detail"]["reason"]) == (await user_id_of(issuer, BO[0]), "replaced")


async def again_by_force(browser: Browser) -> str:
    """The sign-in page of a request that wants a new sign-in."""
    started = await browser.get("/authorize", params=asked(prompt="login"))
    return (await browser.get(started.headers["location"])).text


def asked(client: str = "spa", **changes: str) -> dict[str, str]:
    """A whole authorization request."""
    return {**request_of(client), "code_challenge": pkce()[1], **changes}


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_a_refused_sign_in_is_told_once_and_a_flood_once_a_window(
    issuer: LiveIssuer, browser: Browser
) -> None:
    page = (await browser.get("/login")).text
    ada = await user_id_of(issuer, ADA[0])
    async with told(issuer, "login.failed") as found:
        await browser.submit("/login", page, email=ADA[0], password="not her password")
    assert (found[0]["user_id"], found[0]["detail"]) == (ada, {"reason": "wrong password"})
    async with told(issuer, "login.failed") as found:
        await browser.submit("/login", page, email="nobody@example.com", password="not her password")
    assert (found[0]["user_id"], found[0]["detail"]) == (None, {"reason": "unknown"})
    async with told(issuer, *["login.failed"] * 9, "throttled") as found:
        for _ in range(12):
            await browser.submit("/login", page, email=ADA[0], password="not her password")
    assert {record["user_id"] for record in found} == {ada}


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_each_step_of_a_grant_is_told_once(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    async with told(issuer, "code.issued") as issued:
        code, verifier = await browser.code()
    async with told(issuer, "token.issued") as redeemed:
        tokens = (await browser.redeem(code, verifier)).json()
    async with told(issuer, "token.refreshed") as refreshed:
        await browser.refresh(tokens["refresh_token"])
    ada = await user_id_of(issuer, ADA[0])
    for record in (*issued, *redeemed, *refreshed):
        assert (record["user_id"], record["client_id"]) == (ada, "spa")
    assert len({record["session_id"] for record in (*issued, *redeemed, *refreshed)}) == 1
    async with told(issuer, "token.revoked") as found:
        for _ in range(2):
            form = {"token": tokens["refresh_token"], "client_id": "spa"}
            assert (await browser.post("/revoke", data=form)).status_code == 200
    assert (found[0]["user_id"], found[0]["client_id"]) == (ada, "spa")


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_a_yes_and_a_no_are_told_once(issuer: LiveIssuer, browser: Browser) -> None:
    await browser.sign_in()
    for decision, expected in (("allow", ["consent.given", "code.issued"]), ("refuse", ["consent.refused"])):
        async with told(issuer, *expected) as found:
            started = await browser.get("/authorize", params=asked("native"))
            page = await browser.get(started.headers["location"])
            answered = await browser.submit("/consent", page.text, decision=decision)
            assert answered.headers["location"].startswith("http://127.0.0.1:5123/cb")
        for record in found:
            assert record["user_id"] == await user_id_of(issuer, ADA[0])
            assert record["client_id"] == "native"
            assert record["session_id"]
    async with told(issuer, "authorization.refused") as found:
        await browser.get("/authorize", params=asked("native", prompt="none"))
    assert found[0]["detail"] == {"reason": "consent_required"}
    async with told(issuer):
        await issuer.browser(ip=IP).get("/authorize", params=asked("native", prompt="none"))


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_each_refusal_at_the_token_endpoint_is_told_once(issuer: LiveIssuer, browser: Browser) -> None:
    ada = await user_id_of(issuer, ADA[0])
    first = await browser.tokens()
    code, verifier = await browser.code()
    await browser.redeem(code, verifier)
    async with told(issuer, "code.reused") as found:
        await browser.redeem(code, verifier)
    assert (found[0]["user_id"], found[0]["client_id"]) == (ada, "spa")

    code, verifier = await browser.code()
    async with told(issuer, "token.refused") as found:
        await browser.redeem(code, verifier, client="web", redirect_uri=f"{SPA}/cb")
    assert (found[0]["client_id"], found[0]["detail"]["presented_by"]) == ("spa", "web")

    code, verifier = await browser.code()
    issuer.clock.advance(61)
    async with told(issuer, "token.refused") as found:
        await browser.redeem(code, verifier)
    assert found[0]["detail"] == {"reason": "expired"}

    for form in (
        {"code": "A" * 43},
        {"refresh_token": "garbage"},
        {"refresh_token": first["refresh_token"][:-1]},
    ):
        kind = "authorization_code" if "code" in form else "refresh_token"
        async with told(issuer, "token.refused") as found:
            await browser.token("spa", grant_type=kind, **form)
        assert (found[0]["client_id"], found[0]["user_id"]) == ("spa", None)

    async with told(issuer, "token.refused") as found:
        await browser.refresh(first["refresh_token"], scope="openid email orders:own")
    assert found[0]["detail"]["reason"] == "invalid_scope"

    second = (await browser.refresh(first["refresh_token"])).json()
    await browser.refresh(second["refresh_token"])
    async with told(issuer, "refresh.reused") as found:
        await browser.refresh(first["refresh_token"])
    assert found[0]["user_id"] == ada
    async with told(issuer, "token.refused") as found:
        await browser.refresh(second["refresh_token"])
    assert (found[0]["user_id"], found[0]["detail"]["reason"]) == (ada, "ended")


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_a_wrong_client_secret_is_told_and_a_guesser_cannot_fill_the_trail(
    issuer: LiveIssuer, browser: Browser
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    async with told(issuer, "client.refused") as found:
        assert (await browser.post("/token", data=form, auth=("web", "wrong"))).status_code == 401
    assert (found[0]["client_id"], found[0]["user_id"]) == ("web", None)
    async with told(issuer, *["client.refused"] * 19, "throttled"):
        for _ in range(25):
            await browser.post("/token", data={**form, "client_id": "web", "client_secret": "wrong"})
    async with told(issuer):
        assert (await browser.post("/token", data=form, auth=("nobody", "wrong"))).status_code == 401


@pytest.mark.threat("O-5", off="admit.issuer.audit.store:record")
async def test_every_way_out_is_told_once(issuer: LiveIssuer, browser: Browser) -> None:
    ada = await user_id_of(issuer, ADA[0])
    others = issuer.browser(ip=IP)
    await others.sign_in()
    await browser.sign_in()
    other = (await others.get("/api/session")).json()["sid"]
    async with told(issuer, "session.ended") as found:
        page = await browser.get("/account")
        assert (await browser.submit("/account", page.text, do="end", session=other)).status_code == 303
    assert (found[0]["user_id"], found[0]["session_id"]) == (ada, other)
    async with told(issuer, "logout"):
        page = await browser.get("/account")
        await browser.submit("/account", page.text, do="sign_out")
    tokens = await browser.tokens()
    async with told(issuer, "logout"):
        await browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    await browser.sign_in()
    raw = await browser.get("/api/session", headers={"origin": SPA})
    async with told(issuer, "logout"):
        headers = {"origin": SPA, "x-csrf-token": raw.json()["csrf_token"]}
        assert (await browser.delete("/api/session", headers=headers)).status_code == 204
    await browser.sign_in()
    command_line = RequestInfo(ip=IP, request_id="r-1", actor="command line")
    async with told(issuer, "user.disabled") as found:
        await issuer.services.accounts.disable(ada, info=command_line, now=issuer.clock())
    assert (found[0]["user_id"], found[0]["actor"]) == (ada, "command line")
    async with told(issuer, "user.enabled"):
        await issuer.services.accounts.enable(ada, info=command_line, now=issuer.clock())
