"""The claims hook: it adds, and that is all."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from admit.issuer import ClaimsWanted
from admit.issuer.oauth import hook
from admit.issuer.oauth.config import OAuthConfig
from admit.issuer.storage import Keyring
from admit.jose import base64url
from tests.fixtures.issuer import API, Clock, LiveIssuer, settings_for

pytestmark = pytest.mark.anyio


class Hook:
    """Says `said`, or raises it."""

    def __init__(self) -> None:
        self.said: Any = {"https://shop.example/tier": "gold"}
        self.wanted: list[ClaimsWanted] = []

    async def __call__(self, wanted: ClaimsWanted) -> Mapping[str, Any]:
        self.wanted.append(wanted)
        if isinstance(self.said, Exception):
            raise self.said
        if self.said is None:
            await asyncio.Event().wait()
        return self.said  # type: ignore[no-any-return]  # a wrong one is what is tried


@pytest.fixture
def added() -> Hook:
    return Hook()


@pytest.fixture
async def live(added: Hook, furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    clock = Clock()
    settings = settings_for(furnished_sqlite, oauth=OAuthConfig(hook_within=timedelta(milliseconds=50)))
    made = LiveIssuer(settings, claims=added, keyring=keyring, clock=clock)
    made.clock, made.open_browsers = clock, []
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


def payload(token: str) -> Any:
    return json.loads(base64url.decode(token.split(".")[1].encode()))


async def test_what_it_says_stands_in_tokens_and_userinfo_and_it_knows_for_whom(
    live: LiveIssuer, added: Hook
) -> None:
    browser = live.browser()
    tokens = await browser.tokens()
    for token in (tokens["access_token"], tokens["id_token"]):
        assert payload(token)["https://shop.example/tier"] == "gold"
    assert [(one.place, one.audience) for one in added.wanted] == [("access_token", API), ("id_token", "spa")]
    info = await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert info.json()["https://shop.example/tier"] == "gold"
    principal = await live.verifier.verify(tokens["access_token"])
    assert principal.roles == {"admin"}
    again = (await browser.refresh(tokens["refresh_token"])).json()
    assert payload(again["access_token"])["https://shop.example/tier"] == "gold"


async def test_while_it_fails_nothing_is_given_and_no_refresh_is_lost(
    live: LiveIssuer, added: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    browser = live.browser()
    tokens = await browser.tokens()
    good = added.said
    with caplog.at_level(logging.WARNING, "admit.issuer.claims"):
        for said in (RuntimeError("a secret"), None, {"sub": "somebody else"}, [], {"x": object()}):
            added.said = said
            refused = await browser.refresh(tokens["refresh_token"])
            assert refused.status_code == 503
            assert "access_token" not in refused.json()
            live.clock.advance(31)
    assert "a secret" not in caplog.text
    info = await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert info.status_code == 503
    added.said = good
    assert (await browser.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    "name", ["sub", "roles", "scope", "aud", "cnf", "status", "email_verified", "acr", "may_act"]
)
def test_no_claim_that_somebody_decides_by_is_its_to_say(name: str) -> None:
    with pytest.raises(hook.ClaimsUnavailableError):
        hook.check({name: "x"})
    assert hook.check({f"our_{name}": "x"}) == {f"our_{name}": "x"}
