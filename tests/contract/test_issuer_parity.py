"""Contracts §1 with the real issuer: one user, audience and instant, by session and by token, near and from afar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from admit.credentials import cookies
from admit.fetch import Response
from admit.issuer import Resource
from admit.issuer.audit import RequestInfo
from admit.issuer.clients.rules import PERSON_SCOPES
from admit.issuer.storage import Keyring
from admit.principal import Principal
from admit.tokens import identity
from admit.verifier import RemoteLookup
from tests.contract.parity import assert_parity
from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
    BO,
    CLIENTS,
    ISSUER,
    RESOURCE,
    SCOPES,
    Browser,
    LiveIssuer,
    make_issuer,
    settings_for,
)

pytestmark = pytest.mark.anyio

WHO = {"admin": ADA, "ordinary": BO}
EVERY = SCOPES | PERSON_SCOPES
ALL = " ".join(sorted(EVERY))
ASKING = tuple(replace(client, scopes=client.scopes | PERSON_SCOPES) for client in CLIENTS)


@asynccontextmanager
async def running(url: str, keyring: Keyring, **changes: Any) -> AsyncIterator[LiveIssuer]:
    made = make_issuer(settings_for(url, **changes), keyring)
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """An issuer whose clients may ask for all that there is."""
    async with running(furnished_sqlite, keyring, client=ASKING) as made:
        yield made


class Wire:
    """Stands in for a Fetcher: straight into the issuer's application."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def apost(self, url: str, body: bytes, headers: Any = None, **_: Any) -> Response:
        got = await self._client.post(url, content=body, headers=headers)
        return Response(
            got.status_code, {name.lower(): value for name, value in got.headers.items()}, got.content
        )


def id_hash(browser: Browser) -> bytes:
    value = browser.cookies[cookies.session_cookie_name(ISSUER, dev=True)]
    return cookies.id_hash(cookies.decode_session_id(value.encode()))


async def by_session(issuer: LiveIssuer, browser: Browser) -> Principal:
    """As an API in the issuer's process finds it; and the same from afar."""
    near = await issuer.sessions.find(id_hash(browser), API, issuer.clock())
    assert near is not None
    far = await RemoteLookup(ISSUER, API, API_SECRET, fetcher=Wire(browser)).find(  # type: ignore[arg-type]  # stands in
        id_hash(browser), API, issuer.clock()
    )
    assert far is not None
    assert far.principal == near.principal
    assert far.status == near.status
    return near.principal


async def by_token(issuer: LiveIssuer, access_token: str) -> Principal:
    await issuer.follow_once()
    return await issuer.verifier.verify(access_token)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("client", ["spa", "web", "native"])
async def test_the_session_and_a_whole_token_say_the_same(
    issuer: LiveIssuer, browser: Browser, who: str, client: str
) -> None:
    tokens = await browser.tokens(WHO[who], client, scope=ALL)
    token, session = await by_token(issuer, tokens["access_token"]), await by_session(issuer, browser)
    assert_parity(token, session, all_granted=True)
    assert session.scopes == (EVERY if who == "admin" else EVERY - {"orders:read"})
    assert session.roles == frozenset(WHO[who][3])


@pytest.mark.parametrize("scope", ["orders:own", "openid", "openid profile email orders:own", ALL])
async def test_a_token_has_no_scope_that_the_session_has_not(
    issuer: LiveIssuer, browser: Browser, scope: str
) -> None:
    for who in (ADA, BO):
        await issuer.services.sessions.settle()
        visitor = issuer.browser()
        tokens = await visitor.tokens(who, scope=scope)
        token, session = await by_token(issuer, tokens["access_token"]), await by_session(issuer, visitor)
        assert_parity(token, session, all_granted=scope == ALL)
        assert token.scopes == frozenset(scope.split()) & session.scopes


async def test_the_two_stay_equal_when_roles_change_and_time_goes_by(
    issuer: LiveIssuer, browser: Browser
) -> None:
    accounts = issuer.services.accounts
    await browser.sign_in(BO)
    subject = (await by_session(issuer, browser)).subject
    info = RequestInfo()
    await accounts.add_role(subject, "admin", info=info, now=issuer.clock())
    await accounts.add_group(subject, "night-shift", info=info, now=issuer.clock())
    tokens = await browser.tokens(BO, scope=ALL)
    before = await by_session(issuer, browser)
    issuer.clock.advance(3_601)
    refreshed = (await browser.refresh(tokens["refresh_token"])).json()
    token, session = await by_token(issuer, refreshed["access_token"]), await by_session(issuer, browser)
    assert_parity(token, session, all_granted=True)
    assert session.scopes == EVERY
    assert session.groups == frozenset({"night-shift"})
    assert session.auth_time == before.auth_time, "using a session is no sign-in"


async def test_a_second_client_of_one_session_is_the_same_person_in_the_same_session(
    issuer: LiveIssuer, browser: Browser
) -> None:
    first = await by_token(issuer, (await browser.tokens(ADA, "spa"))["access_token"])
    issuer.clock.advance(100)
    second = await by_token(issuer, (await browser.tokens(ADA, "web"))["access_token"])
    assert (first.session_id, first.auth_time) == (second.session_id, second.auth_time)
    assert (first.client_id, second.client_id) == ("spa", "web")


async def test_what_the_session_claims_is_what_the_id_token_says(
    issuer: LiveIssuer, browser: Browser
) -> None:
    tokens = await browser.tokens(ADA, scope="openid profile email")
    told = identity.verify(
        tokens["id_token"], issuer.keys.snapshot.published(), issuer=ISSUER, audience="spa", now=issuer.clock(),
        nonce="a-nonce",
    )  # fmt: skip
    claims = (await by_session(issuer, browser)).claims
    assert {"iss", "sub", "sid", "auth_time", "acr", "amr", "name", "email"} <= claims.keys()
    assert (claims["sub"], claims["sid"], claims["acr"]) == (told.subject, told.session_id, told.acr)
    assert (claims["auth_time"], tuple(claims["amr"])) == (told.auth_time, told.amr)
    assert {name: claims[name] for name in told.claims} == told.claims


async def test_a_resource_with_rs256_and_another_audience_keep_parity(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    stock = Resource(
        id="https://stock.example.com",
        name="Stock",
        scopes={"stock:read": "See the stock"},
        roles={"admin": frozenset({"stock:read"})},
        secret_hash=RESOURCE.secret_hash,
        alg="RS256",
    )
    spa = replace(
        ASKING[0],
        scopes=EVERY | {"stock:read"},
        resources=frozenset({API, stock.id}),
        userinfo_audience=False,
    )
    async with running(
        furnished_sqlite, keyring, resource=(RESOURCE, stock), client=(spa, *ASKING[1:])
    ) as issuer:
        for who in (ADA, BO):
            browser = issuer.browser()
            tokens = await browser.tokens(who, scope=f"{ALL} stock:read", resource=stock.id)
            token = await by_token(issuer, tokens["access_token"])
            found = await issuer.sessions.find(id_hash(browser), stock.id, issuer.clock())
            assert found is not None
            assert_parity(token, found.principal, all_granted=True)
            assert ("stock:read" in found.principal.scopes) is (who is ADA)
            assert not found.principal.scopes & RESOURCE.scopes.keys()
