"""RFC 9470 from one end to the other: the API says what sign-in it wants, the application asks the issuer for that, and
the API takes the new token.
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx2
import pytest
from fastapi import FastAPI

from admit import Principal
from admit.integrations.fastapi import Guard
from admit.issuer.clients.records import ACR_2FA
from tests.fixtures.issuer import ADA, API, Browser, LiveIssuer, answer_of, pkce, request_of
from tests.fixtures.second_factor import sign_in_with, with_app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def api(issuer: LiveIssuer) -> AsyncIterator[httpx2.AsyncClient]:
    """An API in the issuer's own process: one route wants a sign-in of a short while ago, one wants two factors."""
    guard = Guard(issuer.verifier, audience=API, realm="orders")
    app = FastAPI()

    @app.get("/orders")
    async def orders(who: Annotated[Principal, guard("orders:read")]) -> str:
        return who.subject

    @app.get("/payments")
    async def payments(who: Annotated[Principal, guard("orders:read", max_age=timedelta(minutes=2))]) -> str:
        return who.subject

    @app.get("/limits")
    async def limits(who: Annotated[Principal, guard("orders:read", acr=ACR_2FA)]) -> str:
        return who.subject

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=API) as client:
        yield client


def asked(refused: httpx2.Response) -> dict[str, str]:
    """What an application takes from the challenge to `/authorize`, §3, §4."""
    assert refused.status_code == 401
    assert refused.json()["error"] == "insufficient_user_authentication"
    found = dict(re.findall(r'(\w+)="([^"]*)"', refused.headers["www-authenticate"]))
    assert found["error"] == "insufficient_user_authentication"
    return {name: found[name] for name in ("acr_values", "max_age") if name in found}


async def get(api: httpx2.AsyncClient, path: str, token: str) -> httpx2.Response:
    return await api.get(path, headers={"authorization": f"Bearer {token}"})


@pytest.mark.rfc("9470", "3")
@pytest.mark.rfc("9470", "5")
async def test_a_sign_in_too_long_ago_is_done_again_for_what_wants_a_fresh_one(
    issuer: LiveIssuer, browser: Browser, api: httpx2.AsyncClient
) -> None:
    tokens = await browser.tokens()
    for path in ("/orders", "/payments"):
        assert (await get(api, path, tokens["access_token"])).status_code == 200
    issuer.clock.advance(180)
    assert (await get(api, "/orders", tokens["access_token"])).status_code == 200
    wanted = asked(await get(api, "/payments", tokens["access_token"]))
    assert wanted == {"max_age": "120"}
    # Neither a new token of the old sign-in, nor the session without a page, is a new sign-in.
    again = (await browser.refresh(tokens["refresh_token"])).json()
    assert asked(await get(api, "/payments", again["access_token"])) == wanted
    silent = {**request_of("spa"), "code_challenge": pkce()[1], "prompt": "none", **wanted}
    assert answer_of(await browser.get("/authorize", params=silent))["error"] == "login_required"
    stepped_up = await browser.tokens(ADA, **wanted)  # types the password
    assert (await get(api, "/payments", stepped_up["access_token"])).status_code == 200


@pytest.mark.rfc("9470", "3")
@pytest.mark.rfc("9470", "5")
async def test_a_sign_in_of_one_factor_is_done_again_with_two_for_what_wants_them(
    issuer: LiveIssuer, browser: Browser, api: httpx2.AsyncClient
) -> None:
    tokens = await browser.tokens()
    assert (await get(api, "/orders", tokens["access_token"])).status_code == 200
    wanted = asked(await get(api, "/limits", tokens["access_token"]))
    assert wanted == {"acr_values": ACR_2FA}
    phone, later = await with_app(issuer), issuer.browser()
    verifier, challenge = pkce()
    request = {**request_of("spa"), "code_challenge": challenge, **wanted}
    done = await sign_in_with(later, phone, issuer.clock.now, ADA, **request)
    stepped_up = (await later.redeem(answer_of(done)["code"], verifier)).json()
    assert (await get(api, "/limits", stepped_up["access_token"])).status_code == 200
