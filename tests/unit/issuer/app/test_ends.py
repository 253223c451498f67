"""What an embedding application ends by `Issuer`, and what it may promise afterwards."""

import asyncio
import json
from typing import Any

import pytest

from admit.errors import RevokedError, TokenError
from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.errors import ClientNotFoundError
from admit.issuer.sessions.records import Ended
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer
from tests.threats.whole import events, user_id_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
OFFLINE = "openid offline_access orders:own"


async def lets_in(issuer: LiveIssuer, tokens: dict[str, Any]) -> bool:
    """Whether this process's own verifier takes the access token, asked once and at once."""
    try:
        await issuer.verifier.verify(tokens["access_token"])
    except RevokedError:
        return False
    return True


async def refreshes(browser: Browser, tokens: dict[str, Any], client: str = "spa") -> bool:
    return (await browser.refresh(tokens["refresh_token"], client)).status_code == 200


async def sid(browser: Browser) -> str:
    found: str = (await browser.get("/api/session")).json()["sid"]
    return found


async def test_ending_a_users_sessions_is_seen_at_once_and_leaves_what_is_for_when_the_user_is_away(
    issuer: LiveIssuer, browser: Browser
) -> None:
    ada = await user_id_of(issuer, ADA[0])
    online = await browser.tokens()
    offline = await browser.tokens(ADA, "native", scope=OFFLINE)
    others = issuer.browser()
    theirs = await others.tokens(BO)
    assert await issuer.end_sessions(ada, reason="lost laptop", actor="support") == Ended(sessions=1)
    assert not await lets_in(issuer, online)
    assert await lets_in(issuer, offline)
    assert await lets_in(issuer, theirs)
    assert (await browser.get("/api/session")).status_code == 401
    assert not await refreshes(browser, online)
    assert await refreshes(browser, offline, "native")
    assert await issuer.end_sessions(ada, everywhere=True) == Ended(grants=1)
    assert not await lets_in(issuer, offline)
    assert await issuer.end_sessions(ada, everywhere=True) == Ended()
    assert (await others.get("/api/session")).status_code == 200
    (told,) = [record for record in await events(issuer) if record["event"] == "session.ended"]
    assert (told["user_id"], told["actor"], told["detail"]["reason"]) == (ada, "support", "lost laptop")
    assert (await browser.tokens())["access_token"], "and the user may sign in again"


async def test_one_session_one_grant_and_one_client_end_alone(issuer: LiveIssuer, browser: Browser) -> None:
    first, second = await browser.tokens(), await browser.tokens(ADA, "web")
    principal = await issuer.verifier.verify(first["access_token"])
    ada = principal.subject
    spa = next(
        one for one in await issuer.services.families.list(ada, issuer.clock()) if one.client_id == "spa"
    )
    assert await issuer.end_grant(spa.id)
    assert not await issuer.end_grant(spa.id)
    assert not await lets_in(issuer, first)
    assert await lets_in(issuer, second)
    third = await browser.tokens()
    assert await issuer.end_client("web") == 1
    assert not await lets_in(issuer, second)
    assert await lets_in(issuer, third)
    assert (await browser.tokens(ADA, "web"))["access_token"], "the client may be used again"
    here = await sid(browser)
    assert await issuer.end_session(here)
    assert not await issuer.end_session(here)
    assert not await lets_in(issuer, third)
    assert (await browser.get("/api/session")).status_code == 401


async def test_a_code_on_its_way_to_a_client_that_was_ended_is_worth_nothing(
    issuer: LiveIssuer, browser: Browser
) -> None:
    code, verifier = await browser.code()
    await issuer.end_client("spa")
    assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"
    assert (await browser.tokens())["access_token"]


async def test_what_a_revoked_key_signed_is_refused_and_a_refresh_brings_a_new_token(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens()
    kid = issuer.keys.snapshot.signer("token", "ES256").kid
    assert kid is not None
    assert await issuer.revoke_key(kid)
    assert not await issuer.revoke_key(kid)
    with pytest.raises(TokenError):
        await issuer.verifier.verify(tokens["access_token"])
    again = await browser.refresh(tokens["refresh_token"])
    assert await lets_in(issuer, again.json())


async def test_what_is_not_there_is_said_and_ends_nothing(issuer: LiveIssuer, browser: Browser) -> None:
    tokens = await browser.tokens()
    for nobody in ("u_0000000000000000000000", "", "\0", "ada@example.com"):
        with pytest.raises(UserNotFoundError):
            await issuer.end_sessions(nobody)
    for client in ("nobody", "", "u_x", "admit", "\0"):
        with pytest.raises(ClientNotFoundError):
            await issuer.end_client(client)
    for nothing in ("", "x", "\0", await user_id_of(issuer, ADA[0])):
        assert not await issuer.end_session(nothing)
        assert not await issuer.end_grant(nothing)
        assert not await issuer.revoke_key(nothing)
    assert await lets_in(issuer, tokens)


async def test_a_client_that_the_settings_name_no_more_can_be_ended(
    issuer: LiveIssuer, browser: Browser
) -> None:
    from admit.issuer.clients.driver import Clients
    from admit.issuer.clients.registry import Registry

    tokens = await browser.tokens()
    await Clients(issuer.db, Registry([], [], issuer=issuer.settings.issuer)).sync(issuer.clock())
    assert await issuer.end_client("spa") == 1
    assert not await lets_in(issuer, tokens)


async def test_a_long_or_odd_reason_is_cut_and_an_empty_one_replaced(
    issuer: LiveIssuer, browser: Browser
) -> None:
    ada = await user_id_of(issuer, ADA[0])
    for reason in ("x\0" * 5_000, ""):
        await browser.sign_in()
        await issuer.end_sessions(ada, reason=reason)
    told = [
        record["detail"]["reason"] for record in await events(issuer) if record["event"] == "session.ended"
    ]
    assert sorted(map(len, told)) == [len("ended by the application"), 256]
    assert "\0" not in json.dumps(told)


@pytest.mark.parametrize("who", ["disable", "set_password"])
async def test_a_disabling_or_a_new_password_ends_everything_that_can_be_ended(
    issuer: LiveIssuer, browser: Browser, who: str
) -> None:
    ada = await user_id_of(issuer, ADA[0])
    online = await browser.tokens()
    offline = await browser.tokens(ADA, "native", scope=OFFLINE)
    code, verifier = await browser.code()
    elsewhere = issuer.browser()
    await elsewhere.sign_in()
    info, accounts, now = RequestInfo(), issuer.services.accounts, issuer.clock()
    ended = (
        await accounts.disable(ada, info=info, now=now)
        if who == "disable"
        else await accounts.set_password(ada, "another good password", info=info, now=now)
    )
    assert ended == 4
    await issuer.settle()
    assert [await lets_in(issuer, tokens) for tokens in (online, offline)] == [False, False]
    assert not await refreshes(browser, online)
    assert not await refreshes(browser, offline, "native")
    assert [(await one.get("/api/session")).status_code for one in (browser, elsewhere)] == [401, 401]
    assert (await browser.redeem(code, verifier)).json()["error"] == "invalid_grant"


async def test_ends_that_meet_are_all_acknowledged_and_all_seen(issuer: LiveIssuer) -> None:
    browsers = [issuer.browser() for _ in range(8)]
    tokens = [await browser.tokens() for browser in browsers]
    ids = [await sid(browser) for browser in browsers]
    ada = await user_id_of(issuer, ADA[0])
    results = await asyncio.gather(*(issuer.end_session(one) for one in ids), issuer.end_sessions(ada))
    assert sum(map(bool, results[:-1])) + results[-1].sessions == len(ids), "each was ended once"  # type: ignore[union-attr]  # the last one
    assert not any([await lets_in(issuer, one) for one in tokens])
