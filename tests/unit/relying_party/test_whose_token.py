"""Which access token an API gets: with its own scopes, of the provider whose tokens it takes, and of nobody else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from admit.errors import ConfigError
from admit.relying_party import Api, MemorySessionStore, Provider
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire
from tests.fixtures.signing_in import Application, begun, come_back, is_signed_in

API = "https://api.example.com"
AUDIENCE = "https://api"


@dataclass
class Shop:
    """An application with an API that writes down which token it got."""

    wire: Wire = field(default_factory=Wire)
    seen: list[str] = field(default_factory=list)
    store: MemorySessionStore = field(default_factory=MemorySessionStore)

    def application(self, providers: Sequence[Provider], *apis: Api) -> Application:
        async def orders(request: Request) -> JSONResponse:
            self.seen.append(request.headers["authorization"].removeprefix("Bearer "))
            return JSONResponse({})

        self.wire.apps[API] = Starlette(routes=[Route("/{path:path}", orders)])
        return Application(self.wire, *providers, apis=apis, store=self.store, fetcher=self.wire.fetcher(API))


async def page_of(application: Application, strange: Strange, provider: str = "id") -> httpx2.AsyncClient:
    async with begun(application, provider=provider) as (browser, location):
        answer = await come_back(browser, strange.approve(location), provider)
        assert answer.status_code == 303, answer.text
        page = application.browser()
        page.cookies = browser.cookies
        return page


@pytest.mark.parametrize("resource", [None, AUDIENCE], ids=["none", "of the sign-in"])
async def test_an_api_with_scopes_of_its_own_gets_a_token_of_those_and_never_a_wider_one(
    resource: str | None,
) -> None:
    strange, shop = Strange(), Shop()
    provider = strange.provider(
        shop.wire,
        scopes=("openid", "read", "admin"),
        parameters={} if resource is None else {"resource": resource},
    )
    application = shop.application(
        [provider],
        Api("wide", API, AUDIENCE, scopes=("read", "admin")),
        Api("narrow", API, AUDIENCE, scopes=("read",)),
        Api("same", API, AUDIENCE, scopes=["read", "read"]),
        Api("plain", API, scopes=("read",)),
        Api("all", API, scopes=("admin", "openid", "read")),
        Api("whole", API),
    )
    page = await page_of(application, strange)
    for name in ("wide", "narrow", "same", "plain", "all", "whole"):
        assert (await page.get(f"/bff/api/{name}/x")).status_code == 200
    asked: list[dict[str, Any]] = [form for form in strange.asked if form["grant_type"] == "refresh_token"]
    assert [(form.get("resource"), form["scope"]) for form in asked] == [
        (AUDIENCE, "read admin"),
        (AUDIENCE, "read"),
        (None, "read"),
    ]
    assert shop.seen == ["access-2", "access-3", "access-3", "access-4", "access-1", "access-1"]


async def test_what_the_provider_granted_counts_and_not_what_was_asked_for() -> None:
    strange, shop = Strange(answer={"scope": "openid read"}), Shop()
    provider = strange.provider(shop.wire, scopes=("openid", "read", "admin"))
    both, all_of_it = Api("both", API, scopes=("openid", "read")), Api("all", API, scopes=provider.scopes)
    page = await page_of(shop.application([provider], both, all_of_it), strange)
    for name in ("both", "all"):
        assert (await page.get(f"/bff/api/{name}/x")).status_code == 200
    assert shop.seen == ["access-1", "access-2"]


@pytest.mark.rfc("6749", "6")
@pytest.mark.threat("9700-privilege", off="admit.client.tokens:check_narrow")
async def test_where_the_provider_does_not_narrow_the_api_gets_nothing_and_the_session_goes_on() -> None:
    strange, shop = Strange(answer={"scope": "openid read admin"}), Shop()
    provider = strange.provider(shop.wire, scopes=("openid", "read", "admin"))
    page = await page_of(
        shop.application([provider], Api("narrow", API, scopes=("read",)), Api("whole", API)), strange
    )
    for _ in range(2):
        answer = await page.get("/bff/api/narrow/x")
        assert (answer.status_code, answer.json()["error"]) == (502, "token_answer_unusable")
    assert shop.seen == []
    used = [form["refresh_token"] for form in strange.asked if form["grant_type"] == "refresh_token"]
    assert used == ["refresh-0", "refresh-2"], "each of them once"
    assert (await page.get("/bff/api/whole/x")).status_code == 200
    assert shop.seen == ["access-1"]


@pytest.mark.threat("9700-mixup", off="admit.relying_party.bff.forwarding:check_provider")
async def test_an_api_gets_the_tokens_of_its_own_provider_and_of_no_other() -> None:
    ours, theirs, shop = Strange("https://ours.example"), Strange("https://theirs.example"), Shop()
    providers = [ours.provider(shop.wire, "ours"), theirs.provider(shop.wire, "theirs")]
    application = shop.application(
        providers, Api("orders", API, provider="ours"), Api("more", API, AUDIENCE, provider="ours")
    )
    page = await page_of(application, theirs, "theirs")
    for name in ("orders", "more"):
        answer = await page.get(f"/bff/api/{name}/x")
        assert (answer.status_code, answer.json()["error"]) == (403, "another_provider")
    assert shop.seen == []
    assert len(theirs.asked) == 1, "its refresh token stays where it is"
    page = await page_of(application, ours, "ours")
    assert (await page.get("/bff/api/orders/x")).status_code == 200


def test_with_several_providers_each_api_says_whose_tokens_it_takes() -> None:
    wire = Wire()
    one, two = Strange().provider(wire, "one"), Strange("https://two.example").provider(wire, "two")
    for providers, api in (([one, two], Api("orders", API)), ([one], Api("orders", API, provider="two"))):
        with pytest.raises(ConfigError, match="provider"):
            Application(wire, *providers, apis=[api])
    again = Strange().provider(wire, "again", response_mode="form_post")
    assert Application(wire, one, again, apis=[Api("orders", API)]), "one provider under two names"
    for scopes in ("read", ["read write"], [""]):
        with pytest.raises(ConfigError, match="scopes"):
            Api("orders", API, scopes=scopes)


@pytest.mark.threat("9700-mixup", off="admit.relying_party.bff.sessions:is_of")
@pytest.mark.parametrize("changed", ["issuer", "client_id"])
async def test_who_has_a_providers_name_now_gets_nothing_of_the_sessions_before(changed: str) -> None:
    former, shop = Strange(), Shop()
    page = await page_of(shop.application([former.provider(shop.wire)], Api("orders", API, AUDIENCE)), former)
    now = Strange("https://new.example") if changed == "issuer" else Strange(client_id="another")
    application = shop.application([now.provider(shop.wire)], Api("orders", API, AUDIENCE))
    async with application.browser() as browser:
        browser.cookies = page.cookies
        assert (await browser.get("/bff/api/orders/x")).status_code == 401
        assert not await is_signed_in(browser)
        token = (await page.get("/bff/session")).json()["csrf_token"]
        left = await browser.post("/bff/logout", headers={"origin": APP, "x-csrf-token": token})
        assert left.json() == {"location": "/"}
        assert (now.asked, shop.seen) == ([], [])
        assert not await is_signed_in(page), "ended, wherever it is looked for"


@pytest.mark.threat("9700-mixup", off="admit.relying_party.answer:check_transaction")
async def test_a_code_goes_to_nobody_who_got_the_providers_name_meanwhile() -> None:
    silent = {"authorization_response_iss_parameter_supported": None}
    former, shop = Strange(metadata=silent), Shop()
    before = shop.application([former.provider(shop.wire)])
    now = Strange("https://new.example", metadata=silent)
    after = shop.application([now.provider(shop.wire)])
    async with begun(before) as (browser, location), after.browser() as same:
        same.cookies = browser.cookies
        back = former.approve(location)
        del back["iss"]
        assert (await come_back(same, back)).status_code == 400
    assert now.asked == []


class Slow(Strange):
    """A provider whose refreshes wait until they may be answered, and that takes tokens back."""

    def __init__(self) -> None:
        super().__init__(metadata={"revocation_endpoint": "https://id.example.com/revoke"})
        self.refreshing, self.go_on = asyncio.Event(), asyncio.Event()
        self.revoked: list[str] = []

    def app(self) -> Starlette:
        made = super().app()
        made.router.routes.append(Route("/revoke", self._revoke, methods=["POST"]))
        return made

    async def _revoke(self, request: Request) -> JSONResponse:
        self.revoked += parse_qs((await request.body()).decode())["token"]
        return JSONResponse({})

    async def _token(self, request: Request) -> Response:
        found = await super()._token(request)
        if self.asked[-1]["grant_type"] == "refresh_token":
            self.refreshing.set()
            await self.go_on.wait()
        return found


_TAKEN_BACK = pytest.mark.threat("O-3", off="admit.relying_party.bff.sessions:Sessions._not_kept")


@pytest.mark.parametrize(
    "ends", [pytest.param(True, marks=_TAKEN_BACK, id="ended"), pytest.param(False, id="not ended")]
)
async def test_signing_out_during_a_refresh_takes_back_what_the_refresh_brings(ends: bool) -> None:
    strange, shop = Slow(), Shop()
    application = shop.application([strange.provider(shop.wire)], Api("orders", API, AUDIENCE))
    page = await page_of(application, strange)
    token = (await page.get("/bff/session")).json()["csrf_token"]
    asking = asyncio.create_task(page.get("/bff/api/orders/x"))
    await strange.refreshing.wait()
    try:
        if ends:
            # Another browser object, since the answer takes the cookie away.
            async with application.browser() as same:
                same.cookies = page.cookies
                left = await same.post("/bff/logout", headers={"origin": APP, "x-csrf-token": token})
                assert left.status_code == 200
    finally:
        strange.go_on.set()
    assert (await asking).status_code == (401 if ends else 200)
    assert strange.revoked == (["refresh-0", "refresh-2"] if ends else [])
