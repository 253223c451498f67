"""The provider says that a session is over, OpenID Connect Back-Channel Logout 1.0; and a provider that fails later."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from admit.errors import UnavailableError
from admit.jose import claims as jose_claims
from admit.relying_party import Api, Bff, MemorySessionStore, StoredEnd
from admit.relying_party import Request as BffRequest
from admit.tokens.logout import EVENT
from tests.fixtures.provider import KEY, OTHER_KEY, Strange
from tests.fixtures.relying_party import APP, Wire
from tests.fixtures.signing_in import Application, begun, come_back, is_signed_in, signed_in


def logout_token(strange: Strange, key: Any = KEY, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": strange.issuer,
        "aud": strange.client_id,
        "iat": now,
        "exp": now + 60,
        "jti": f"j{time.monotonic_ns()}",
        "events": {EVENT: {}},
        "sid": "one",
        **changes,
    }
    written = {name: value for name, value in claims.items() if value is not None}
    return jose_claims.encode(written, key, typ="logout+jwt")


async def tell(application: Application, token: str) -> int:
    async with application.browser() as nobody:
        answer = await nobody.post("/bff/backchannel-logout", data={"logout_token": token})
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.7")
async def test_a_logout_token_ends_the_sessions_it_names_and_no_other() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    one = await signed_in(application, strange, "one")
    two = await signed_in(application, strange, "two")
    bo = await signed_in(application, strange, "three", "bo")
    token = logout_token(strange)
    assert await tell(application, token) == 200
    assert [await is_signed_in(page) for page in (one, two, bo)] == [False, True, True]
    assert await tell(application, token) == 200, "a delivery that comes again is no error"
    assert await tell(application, logout_token(strange, sid=None, sub="ada")) == 200
    assert [await is_signed_in(page) for page in (one, two, bo)] == [False, False, True]


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.7")
async def test_a_sign_in_that_was_under_way_does_not_outlive_the_session_that_ended_meanwhile() -> None:
    strange = Strange(claims={"sid": "one"})
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (browser, location):
        back = strange.approve(location)
        assert await tell(application, logout_token(strange)) == 200
        assert (await come_back(browser, back)).status_code == 400
        assert not await is_signed_in(browser)


@pytest.mark.threat("O-3", off="admit.relying_party.store.memory:is_over")
@pytest.mark.rfc("OIDC Back-Channel Logout", "2.7")
@pytest.mark.parametrize("sid", [None, "unheard-of"], ids=["person", "session"])
async def test_a_sign_in_whose_id_token_names_no_session_does_not_outlive_its_person(sid: str | None) -> None:
    strange = Strange(claims={"sid": None})
    application = Application(wire := Wire(), strange.provider(wire))
    async with begun(application) as (browser, location), begun(application) as (under_way, other):
        assert (await come_back(browser, strange.approve(location))).status_code == 303
        back = strange.approve(other)
        bo = logout_token(strange, sid=sid, sub="bo")
        assert await tell(application, bo) == 200
        assert await is_signed_in(browser)
        assert await tell(application, logout_token(strange, sid=sid, sub="ada")) == 200
        assert not await is_signed_in(browser)
        strange.claims["iat"] = int(time.time()) - 10
        assert (await come_back(under_way, back)).status_code == 400
        assert not await is_signed_in(under_way)
    strange.claims["iat"] = int(time.time()) + 10
    async with begun(application) as (again, location):
        assert (await come_back(again, strange.approve(location))).status_code == 303, "a sign-in after that"


class FailsOnce(MemorySessionStore):
    """A store that cannot be written at first."""

    fails = True

    def end_of(self, told: StoredEnd, now: float) -> int:
        if self.fails:
            self.fails = False
            raise UnavailableError("the disk is full")
        return super().end_of(told, now)


@pytest.mark.threat("O-3", off="admit.relying_party.bff.signing_out:end_told")
@pytest.mark.threat("O-4", off="admit.relying_party.bff.signing_out:end_told")
async def test_a_logout_token_that_took_no_effect_is_told_so_and_takes_it_when_it_comes_again() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire), store=FailsOnce())
    page = await signed_in(application, strange, "one")
    token = logout_token(strange)
    assert await tell(application, token) == 503
    assert await is_signed_in(page)
    assert await tell(application, token) == 200
    assert not await is_signed_in(page)


@pytest.mark.rfc("OIDC Back-Channel Logout", "2.6")
async def test_a_logout_token_of_anybody_else_ends_nothing() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    page = await signed_in(application, strange, "one")
    bad = [
        logout_token(strange, OTHER_KEY),
        logout_token(strange, iss="https://evil.example"),
        logout_token(strange, aud="other"),
        logout_token(strange, events={}),
        logout_token(strange, nonce="a"),
        logout_token(strange, iat=int(time.time()) - 3_600, exp=int(time.time()) - 3_000),
        logout_token(strange, sid=None),
        strange.id_token(None, "x"),
        "nonsense",
    ]
    assert {await tell(application, token) for token in bad} == {400}
    async with application.browser() as nobody:
        doubled = await nobody.post(
            "/bff/backchannel-logout",
            content=f"logout_token={bad[0]}&logout_token={logout_token(strange)}",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert doubled.status_code == 400
        assert (await nobody.post("/bff/backchannel-logout", json={})).status_code == 400
    assert await is_signed_in(page)


async def test_a_logout_token_is_held_against_the_keys_of_its_own_provider_and_of_no_other() -> None:
    away, near = Strange("https://away.example"), Strange("https://near.example", claims={"sid": "one"})
    application = Application(wire := Wire(), away.provider(wire, "away"), near.provider(wire, "near"))
    async with begun(application, provider="near") as (browser, location):
        assert (await come_back(browser, near.approve(location), "near")).status_code == 303
        del wire.apps[away.issuer]
        dialled = len(wire.asked)
        for token in ("a.b.c", "nonsense", logout_token(Strange()), logout_token(near, aud="other")):
            assert await tell(application, token) == 400
        assert await tell(application, logout_token(near)) == 200
        assert len(wire.asked) == dialled, "the keys of the other are no matter"
        assert not await is_signed_in(browser)
        assert [await tell(application, logout_token(away)) for _ in range(5)] == [503] * 5
        assert len(wire.asked) == dialled + 1, "who is away is not dialled for each"


async def test_keys_that_many_need_at_once_are_fetched_once_for_all() -> None:
    strange = Strange()
    application = Application(wire := Wire(), strange.provider(wire))
    told = await asyncio.gather(*(tell(application, logout_token(strange, sid=f"s{n}")) for n in range(8)))
    assert told == [200] * 8
    assert len(wire.to("/jwks")) == 1


async def test_a_token_that_the_api_refuses_is_renewed_once_and_without_refresh_token_the_page_signs_in_again() -> (
    None
):
    strange, wire = Strange(), Wire()
    taken = ["Bearer access-2"]

    async def orders(request: Request) -> Response:
        if request.headers["authorization"] in taken:
            return Response(
                b"<script>", media_type="text/html", headers={"location": "/", "cache-control": "public"}
            )
        return Response(status_code=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})

    wire.apps["https://api.example.com"] = Starlette(routes=[Route("/mine", orders)])
    apis = [
        Api("orders", "https://api.example.com"),
        Api("other", "https://api.example.com", audience="urn:other"),
    ]
    application = Application(wire, strange.provider(wire), apis=apis, fetcher=wire.fetcher())
    page = await signed_in(application, strange, "one")
    found = await page.get("/bff/api/orders/mine")
    assert (found.status_code, len(strange.asked)) == (200, 2)
    assert found.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "location" not in found.headers
    assert (found.headers["cache-control"], found.headers["vary"]) == ("no-store", "cookie")
    taken.clear()
    refused = await page.get("/bff/api/orders/mine")
    assert (refused.status_code, len(strange.asked)) == (401, 2), (
        "what was renewed a moment ago is not so again"
    )
    assert "www-authenticate" not in refused.headers
    assert await is_signed_in(page)
    strange.answer = {"refresh_token": None}
    page = await signed_in(application, strange, "two")
    assert (await page.get("/bff/api/orders/mine")).status_code == 401
    assert (await page.get("/bff/api/other/mine")).status_code == 502
    assert await is_signed_in(page), "an API that takes no token ends no session"


def test_whatever_is_sent_is_answered(rounds: Callable[..., range], rng: Random) -> None:
    strange, wire = Strange(), Wire()
    apis = [Api("orders", "https://api.example.com")]
    bff = Bff(
        APP, providers=[strange.provider(wire)], store=MemorySessionStore(), apis=apis, fetcher=wire.fetcher()
    )
    pieces = [
        b"/login", b"/callback/id", b"/session", b"/logout", b"/backchannel-logout", b"/api/orders/", b"state=",
        b"code=",
        b"&", b"=", b";", b"%00", b"%ff", b"%", b"..", b"//", b"\\", b"a" * 50, b"\xff\xfe", b"logout_token=", b"next=",
        bff.config.session_cookie.encode() + b"=" + b"A" * 43, bff.config.browser_cookie.encode() + b"=" + b"A" * 43,
    ]  # fmt: skip
    names = [
        b"cookie",
        b"origin",
        b"sec-fetch-site",
        b"x-csrf-token",
        b"accept",
        b"accept-language",
        b"content-type",
    ]

    def some(most: int) -> bytes:
        return b"".join(rng.choice(pieces) for _ in range(rng.randrange(most)))

    for _ in rounds(quick=50, test=400, soak=200_000):
        headers = [
            (rng.choice(names), rng.choice([some(4), b"application/x-www-form-urlencoded"])) for _ in range(4)
        ]
        request = BffRequest(
            rng.choice(["GET", "POST", "PUT", "HEAD", "OPTIONS", "NONSENSE"]),
            "/bff" + (rng.choice(pieces[:6]) + some(3)).decode("latin-1"),
            some(5).decode("latin-1"),
            headers,
            some(6),
        )
        answer = bff.handle(request)
        assert answer.status in (200, 303, 400, 401, 403, 404, 405, 431)
        assert not wire.to("/token")
