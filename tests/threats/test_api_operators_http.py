"""ADM-route: what operators see and end, by the JSON API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from admit.issuer.app.api.shapes import SCHEMAS
from admit.issuer.audit import RequestInfo
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    BO,
    ISSUER,
    LiveIssuer,
    pkce,
    request_of,
)
from tests.threats.api import ROOT, SCOPE, Api, by_session, by_token, fits, running, tokens_for
from tests.threats.whole import events, user_id_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """The usual issuer, with an operator, and with a client that may end sessions."""
    async with running(furnished_sqlite, keyring) as made:
        yield made


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_an_operator_sees_and_ends_all_sessions_of_a_user_and_is_named_in_the_audit(
    issuer: LiveIssuer, way: Any
) -> None:
    theirs = [await by_session(issuer, BO) for _ in range(2)]
    offline = await tokens_for(theirs[0].browser, BO, "native", scope="openid offline_access")
    root: Api = await way(issuer, ROOT)
    bo, me = await user_id_of(issuer, BO[0]), await user_id_of(issuer, ROOT[0])
    listed = await root("GET", f"/api/users/{bo}/sessions")
    fits(listed.json(), SCHEMAS["Sessions"])
    assert {one["id"] for one in listed.json()["sessions"]} == await theirs[0].ids()
    assert not any(one["current"] for one in listed.json()["sessions"])
    answer = await root("DELETE", f"/api/users/{bo}/sessions")
    assert answer.json() == {"sessions": 2, "grants": 0, "refused_within": 30.0}
    assert [(await one.browser.get("/api/session")).status_code for one in theirs] == [401, 401]
    assert (await root("DELETE", f"/api/users/{bo}/sessions?offline=true")).json()["grants"] == 1
    refused = await theirs[0].browser.refresh(offline["refresh_token"], "native")
    assert refused.json()["error"] == "invalid_grant"
    told = [one for one in await events(issuer) if one["event"] in ("session.ended", "grant.ended")]
    assert {(one["user_id"], one["actor"]) for one in told} == {(bo, me)}
    assert len(told) == 3
    missing = await root("DELETE", f"/api/users/u_{'0' * 22}/sessions")
    assert (missing.status_code, missing.json()["error"]) == (404, "user_not_found")


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_an_operator_revokes_a_key_and_what_it_signed_is_good_no_more(
    issuer: LiveIssuer, way: Any
) -> None:
    user, root = await by_token(issuer, BO), await way(issuer, ROOT)
    kid = issuer.keys.snapshot.signer("token", "ES256").kid
    answer = await root("DELETE", f"/api/keys/{kid}")
    assert (answer.status_code, answer.content) == (204, b"")
    await issuer.settle()
    assert (await user("GET", "/api/sessions")).status_code == 401
    assert kid in issuer.keys.snapshot.revoked_kids
    assert issuer.keys.snapshot.signer("token", "ES256").kid != kid
    (told,) = [one for one in await events(issuer) if one["event"] == "key.revoked"]
    assert (told["actor"], told["detail"]["kid"]) == (await user_id_of(issuer, ROOT[0]), kid)
    again = await by_session(issuer, ROOT)
    for known in (kid, "none", "status-"):
        assert (await again("DELETE", f"/api/keys/{known}")).status_code == 404
    assert (await again("DELETE", f"/api/keys/{kid}?x=1")).status_code == 400


@pytest.mark.threat("9700-privilege", off="admit.issuer.app.api.caller:check_scope")
async def test_a_token_to_end_sessions_revokes_no_key_and_one_to_revoke_keys_ends_no_session(
    issuer: LiveIssuer,
) -> None:
    kid = issuer.keys.snapshot.signer("token", "ES256").kid
    for scope, opened, closed in (
        ("admit:sessions", "/api/sessions", f"/api/keys/{kid}"),
        ("admit:keys", "/api/keys/none", "/api/sessions"),
    ):
        root = await by_token(issuer, ROOT, scope=f"openid {scope}")
        refused = await root("DELETE", closed)
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        assert scope not in refused.headers["www-authenticate"]
        assert (await root("DELETE", opened)).status_code in (200, 404)
    assert kid not in issuer.keys.snapshot.revoked_kids


async def test_an_operator_ends_all_of_a_client_which_may_be_used_again(issuer: LiveIssuer) -> None:
    people = [issuer.browser() for _ in range(2)]
    tokens = [await one.tokens(who) for one, who in zip(people, (ADA, BO), strict=True)]
    kept = await people[0].tokens(ADA, "web")
    root = await by_session(issuer, ROOT)
    answer = await root("DELETE", "/api/clients/spa/grants")
    assert answer.json() == {"sessions": 0, "grants": 2, "refused_within": 30.0}
    for one, held in zip(people, tokens, strict=True):
        assert (await one.refresh(held["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await people[0].refresh(kept["refresh_token"], "web")).status_code == 200
    assert (await people[0].tokens())["access_token"]
    (told,) = [one for one in await events(issuer) if one["event"] == "client.grants_ended"]
    assert (told["client_id"], told["actor"]) == ("spa", await user_id_of(issuer, ROOT[0]))
    for nobody in ("none", "admit", "u_x", "*"):
        missing = await root("DELETE", f"/api/clients/{nobody}/grants")
        assert (missing.status_code, missing.json()["error"]) == (404, "client_not_found")


@pytest.mark.threat("6819-4.4.3.2", off="admit.issuer.app.pages.apps:reaches_everybody")
async def test_an_operator_is_told_that_an_application_would_reach_everybody(issuer: LiveIssuer) -> None:
    for who, said in ((ROOT, "See and end everybody"), (BO, "See and end your sessions")):
        browser = issuer.browser()
        asked = {**request_of("native"), "client_id": "agent", "scope": SCOPE, "resource": ISSUER}
        signed_in = await browser.sign_in(who, **asked, code_challenge=pkce()[1])
        page = await browser.get(signed_in.headers["location"])
        assert said in page.text, "at the consent page"
        await by_token(issuer, who)
        await browser.sign_in(who)
        assert said in (await browser.get("/account")).text, "and among the applications"


async def test_a_role_that_was_taken_is_gone_at_once_for_tokens_too(issuer: LiveIssuer) -> None:
    root, token = await by_session(issuer, ROOT), await by_token(issuer, ROOT)
    me, bo = await user_id_of(issuer, ROOT[0]), await user_id_of(issuer, BO[0])
    await issuer.services.accounts.remove_role(me, "admit:admin", info=RequestInfo(), now=issuer.clock())
    for api in (root, token):
        assert (await api("GET", f"/api/users/{bo}/sessions")).status_code in (401, 403)
