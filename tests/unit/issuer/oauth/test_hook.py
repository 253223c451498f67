"""The claims hook: it adds, and that is all."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from sqlalchemy import bindparam, delete, insert

from admit.issuer import ClaimsWanted
from admit.issuer.accounts.store import user_role
from admit.issuer.clients.records import TokenFormat
from admit.issuer.oauth import hook
from admit.issuer.oauth.config import OAuthConfig
from admit.issuer.storage import Keyring, Statement, bound_once
from admit.jose import base64url
from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
    RESOURCE,
    WEB_SECRET,
    Clock,
    LiveIssuer,
    add_people,
    make_issuer,
    settings_for,
)

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
        for added.said in (RuntimeError("a secret"), None, {"sub": "somebody else"}, [], {"x": object()}):
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
    "name",
    [
        "sub",
        "roles",
        "scope",
        "aud",
        "cnf",
        "status",
        "email_verified",
        "acr",
        "may_act",
        "scp",
        "permissions",
        "session_id",
        "username",
        "realm_access",
        "resource_access",
        "org_id",
        "tenant",
    ],
)
def test_no_claim_that_somebody_decides_by_is_its_to_say(name: str) -> None:
    with pytest.raises(hook.ClaimsUnavailableError):
        hook.check({name: "x"})
    for spelled in (
        name.upper(),
        f"{name}\u200b",
        f"{name} ",
        "\uff53" + name[1:] if name[0] == "s" else f"\n{name}",
    ):
        with pytest.raises(hook.ClaimsUnavailableError):
            hook.check({spelled: "x"})
    assert hook.check({f"https://shop.example/{name}": "x"})
    assert hook.check({f"our_{name}": "x"}) == {f"our_{name}": "x"}


async def test_more_than_a_token_holds_costs_neither_a_code_nor_a_refresh_token(
    live: LiveIssuer, added: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The bound of a hook's claims is one thing, roles and scopes beside them another: the token itself is measured."""
    monkeypatch.setattr(hook, "MAX_OCTETS", 2_048)
    browser = live.browser()
    tokens = await browser.tokens()
    good, added.said = added.said, {"x": "y" * 2_000}
    code, verifier = await browser.code()
    for _ in range(2):
        for refused in (
            await browser.refresh(tokens["refresh_token"]),
            await browser.redeem(code, verifier),
        ):
            assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
        live.clock.advance(20)  # longer than a lost reply is waited for
    assert "over its budget" in caplog.text
    added.said = good
    assert (await browser.redeem(code, verifier)).status_code == 200
    assert (await browser.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.parametrize("form", list(TokenFormat), ids=lambda form: form.value)
async def test_an_api_that_asks_about_a_token_is_told_what_the_hook_adds_and_a_client_is_not(
    added: Hook, furnished_sqlite: str, keyring: Keyring, form: TokenFormat
) -> None:
    clock = Clock()
    settings = settings_for(furnished_sqlite, resource=(replace(RESOURCE, access_token_format=form),))
    made = LiveIssuer(settings, claims=added, keyring=keyring, clock=clock)
    made.clock, made.open_browsers = clock, []
    async with made.lifespan():
        browser = made.browser()
        token = (await browser.tokens(client="web"))["access_token"]

        async def asked(caller: str, secret: str) -> httpx2.Response:
            return await browser.post(
                "/introspect", data={"token": token}, auth=(quote(caller, safe=""), secret)
            )

        added.wanted.clear()
        told = (await asked(API, API_SECRET)).json()
        assert (told["active"], told["https://shop.example/tier"]) == (True, "gold")
        (wanted,) = added.wanted
        assert (wanted.place, wanted.audience, sorted(wanted.roles)) == ("access_token", API, ["admin"])
        assert "https://shop.example/tier" not in (await asked("web", WEB_SECRET)).json()
        added.said = {"https://shop.example/tier": "tin"}
        assert (await asked(API, API_SECRET)).json()["https://shop.example/tier"] == "tin", "as it is now"
        added.said = {"active": False, "sub": "u_somebody"}
        refused = await asked(API, API_SECRET)
        assert (refused.status_code, "active" in refused.json()) == (503, False)
        await browser.aclose()


async def test_a_hook_that_fails_costs_no_code(live: LiveIssuer, added: Hook) -> None:
    browser = live.browser()
    code, verifier = await browser.code()
    good, added.said = added.said, RuntimeError()
    assert (await browser.redeem(code, verifier)).status_code == 503
    added.said = good
    assert (await browser.redeem(code, verifier)).status_code == 200
    assert (await browser.redeem(code, verifier)).status_code == 400


async def test_what_a_hook_may_say_fits_beside_usual_roles_whatever_the_length_of_the_key(
    live: LiveIssuer, added: Hook
) -> None:
    added.said = {"x": "y" * (hook.MAX_OCTETS - len('{"x":""}'))}
    answer = await live.browser().tokens()
    assert max(len(answer["access_token"]), len(answer["id_token"])) < 3_072 - (
        683 - 86
    )  # RS512 of 4,096 bits
    added.said = {"x": added.said["x"] + "y"}
    with pytest.raises(hook.ClaimsUnavailableError):
        hook.check(added.said)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_roles_that_no_token_holds_cost_neither_a_code_nor_a_refresh_token(
    database_url: str, keyring: Keyring
) -> None:
    """An account of our own, whose roles are read where the code is spent and the token rotated."""
    made = make_issuer(settings_for(database_url), keyring)
    async with made.lifespan():
        await add_people(made)
        browser = made.browser()
        tokens = await browser.tokens()
        ada = await made.services.accounts.find(ADA[0])
        assert ada is not None
        many = [{"user_id": ada.id, "role": f"{n:03}-{'r' * 100}"} for n in range(30)]
        put = Statement(insert(user_role).values(user_id=bindparam("user_id"), role=bindparam("role")))
        for one in many:
            await made.db.run(bound_once, put(**one))
        for _ in range(2):
            assert (await browser.refresh(tokens["refresh_token"])).status_code == 503
            made.clock.advance(31)
        code, verifier = await browser.code()
        for _ in range(2):
            assert (await browser.redeem(code, verifier)).status_code == 503
        forget = Statement(delete(user_role).where(user_role.c.role != bindparam("kept")))
        await made.db.run(bound_once, forget(kept="admin"))
        assert (await browser.redeem(code, verifier)).status_code == 200
        assert (await browser.redeem(code, verifier)).status_code == 400
        assert (await browser.refresh(tokens["refresh_token"])).status_code == 200
        await browser.aclose()
