"""The ledger's rows on clients that act for themselves, tried over HTTP against a whole issuer."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from admit.errors import RevokedError
from admit.issuer import Client
from admit.issuer.audit import RequestInfo
from admit.issuer.clients import rules
from admit.issuer.oauth.errors import UnauthorizedClientError
from admit.issuer.oauth.token import client_credentials, mint
from admit.issuer.storage import Keyring
from admit.jose import jws
from tests.fixtures.issuer import (
    API,
    CLIENTS,
    ISSUER,
    RESOURCE,
    Browser,
    LiveIssuer,
    make_issuer,
    settings_for,
)
from tests.threats.whole import events, rows

pytestmark = pytest.mark.anyio

STOCK = "https://stock.example"
SECRET, NEXT_SECRET = "the-robot-and-nobody-else-knows-this", "the-robot-will-know-this-tomorrow"
ROBOT = Client(
    id="robot",
    name="A robot",
    public=False,
    secret_hashes=tuple(hashlib.sha256(one.encode()).digest() for one in (SECRET, NEXT_SECRET)),
    grant_types=frozenset({"client_credentials"}),
    scopes=frozenset(
        {"openid", "profile", "offline_access", "admit:sessions", "orders:own", "orders:read", "stock:read"}
    ),
    resources=frozenset({API, STOCK}),
    default_resource=API,
    userinfo_audience=True,
)
PERSON = replace(
    ROBOT,
    id="person",
    redirect_uris=("https://rp.example/cb",),
    grant_types=frozenset({"authorization_code"}),
)
GIVEN = {"robot": frozenset({"orders:read"}), "person": frozenset({"orders:read"})}
RESOURCES = (
    replace(RESOURCE, clients=GIVEN),
    replace(
        RESOURCE,
        id=STOCK,
        scopes={"stock:read": "See the stock"},
        roles={},
        clients={"web": frozenset({"stock:read"})},
    ),
)


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    made = make_issuer(
        settings_for(furnished_sqlite, client=(*CLIENTS, ROBOT, PERSON), resource=RESOURCES), keyring
    )
    async with made.lifespan():
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def asked(
    browser: Browser, client: str = "robot", secret: str = SECRET, **form: str
) -> httpx2.Response:
    return await browser.post(
        "/token", data={"grant_type": "client_credentials", **form}, auth=(client, secret)
    )


def refusal(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


async def machine_nodes(issuer: LiveIssuer) -> list[dict[str, Any]]:
    return [row for row in await rows(issuer, "node") if row["kind"] == "machine"]


@pytest.mark.rfc("6749", "4.4")
@pytest.mark.rfc("6749", "5.1")
@pytest.mark.rfc("9068", "2.2")
@pytest.mark.threat("6819-4.4.4", off="admit.issuer.clients.rules:is_client_id")
@pytest.mark.threat("9700-clientid", off="admit.issuer.clients.rules:is_client_id")
async def test_a_client_gets_a_token_for_itself_and_for_nobody_else(
    issuer: LiveIssuer, browser: Browser
) -> None:
    response = await asked(browser)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 300, "orders:read")
    claims = jws.peek_unverified_claims(answer["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("robot", "robot", API)
    assert not {"roles", "groups", "auth_time", "acr", "amr", "email", "name"} & claims.keys()
    principal = await issuer.verifier.verify(answer["access_token"])
    assert (principal.subject, principal.scopes) == ("robot", frozenset({"orders:read"}))
    users = {row["id"] for row in await rows(issuer, "user_account")}
    assert users
    assert not any(rules.is_client_id(user) for user in users)


@pytest.mark.rfc("6749", "2.3.1")
async def test_either_of_two_secrets_is_taken_in_either_place(browser: Browser) -> None:
    for secret in (SECRET, NEXT_SECRET):
        assert (await asked(browser, secret=secret)).status_code == 200
        sent = {"grant_type": "client_credentials", "client_id": "robot", "client_secret": secret}
        assert (await browser.post("/token", data=sent)).status_code == 200
    for secret in (SECRET + "x", "", hashlib.sha256(SECRET.encode()).hexdigest()):
        assert refusal(await asked(browser, secret=secret)) == (401, "invalid_client")


@pytest.mark.rfc("6749", "4.4.2")
@pytest.mark.rfc("6749", "4.4.3")
@pytest.mark.threat("6819-4.4.3.2", off="admit.issuer.clients.rules:machine_scopes")
async def test_its_scopes_are_those_that_the_resource_gives_it_by_name(
    issuer: LiveIssuer, browser: Browser
) -> None:
    for scope in (
        "openid",
        "openid offline_access",
        "profile",
        "admit:sessions",
        "orders:own",
        "orders:read openid",
        "orders:read orders:own",
        "orders:read  orders:read",
        "nothing:known",
        "stock:read",
    ):
        assert refusal(await asked(browser, scope=scope)) == (400, "invalid_scope"), scope
    assert refusal(await asked(browser, resource=STOCK)) == (400, "invalid_scope")
    assert await machine_nodes(issuer) == []
    assert (await asked(browser, scope="orders:read")).json()["scope"] == "orders:read"


@pytest.mark.rfc("8707", "2")
async def test_the_resource_is_one_of_the_clients_own(browser: Browser) -> None:
    good = await asked(browser, resource=API)
    assert jws.peek_unverified_claims(good.json()["access_token"])["aud"] == API
    for resource in (ISSUER, "https://other.example", f"{API}/", "orders"):
        assert refusal(await asked(browser, resource=resource)) == (400, "invalid_target"), resource
    for twice, error in (
        ({"resource": [API, STOCK]}, "invalid_target"),
        ({"resource": [API, STOCK], "scope": ["a", "b"]}, "invalid_request"),
    ):
        form = {"grant_type": "client_credentials", **twice}
        both = await browser.post("/token", data=form, auth=("robot", SECRET))
        assert refusal(both) == (400, error)


@pytest.mark.rfc("6749", "4.4")
@pytest.mark.rfc("6749", "5.2")
@pytest.mark.threat("6819-4.4.4", off="admit.issuer.oauth.token.client_credentials:check_confidential")
async def test_only_confidential_clients_with_the_grant_get_one(issuer: LiveIssuer, browser: Browser) -> None:
    assert refusal(await asked(browser, "person")) == (400, "unauthorized_client")
    public = await browser.post("/token", data={"grant_type": "client_credentials", "client_id": "spa"})
    assert refusal(public) == (400, "unauthorized_client")
    # Settings refuse such a client; wherever else one may come from, the grant does.
    with pytest.raises(UnauthorizedClientError):
        client_credentials.check_confidential(
            replace(CLIENTS[0], grant_types=frozenset({"client_credentials"}))
        )
    client_credentials.check_confidential(ROBOT)
    told = [one for one in await events(issuer) if one["event"] == "token.refused"]
    assert {(one["client_id"], one["detail"]["reason"]) for one in told} == {
        ("person", "unauthorized_client"), ("spa", "unauthorized_client"),
    }  # fmt: skip


async def test_nothing_that_is_for_people_takes_its_token(issuer: LiveIssuer, browser: Browser) -> None:
    now, services = issuer.clock.now, issuer.services
    scope = frozenset({"openid", "profile", "admit:sessions"})  # more than it could ever be given
    family = await services.machines.grant(
        "robot", ISSUER, scope=scope, until=now + 300, info=RequestInfo(), now=now
    )
    assert family is not None
    for token in (
        (await asked(browser)).json()["access_token"],
        mint.mint(
            services,
            client=ROBOT,
            user=None,
            family=family,
            scope=scope,
            refresh_token=None,
            nonce=None,
            now=now,
        ).access_token,
    ):
        bearer = {"authorization": f"Bearer {token}"}
        for method, path in (
            ("GET", "/userinfo"),
            ("POST", "/userinfo"),
            ("GET", "/api/sessions"),
            ("GET", "/api/grants"),
        ):
            response = await browser.request(method, path, headers=bearer)
            assert response.status_code in (401, 403), (method, path)


async def test_all_tokens_of_a_client_and_audience_share_a_family_and_each_is_told(
    issuer: LiveIssuer, browser: Browser
) -> None:
    answers = [await asked(browser) for _ in range(5)]
    places = {
        jws.peek_unverified_claims(one.json()["access_token"])["status"]["status_list"]["idx"]
        for one in answers
    }
    assert len(places) == 1
    (node,) = await machine_nodes(issuer)
    assert (node["parent_id"], node["user_id"], node["client_id"]) == (None, None, "robot")
    told = [one for one in await events(issuer) if one["event"] == "token.issued"]
    assert [(one["client_id"], one["user_id"], one["detail"]) for one in told] == [
        ("robot", None, {"grant": node["id"], "scope": "orders:read"})
    ] * 5
    issuer.clock.advance(issuer.settings.grants.machine_absolute.total_seconds() - 200)
    assert (await asked(browser)).status_code == 200
    assert len(await machine_nodes(issuer)) == 2, "a token would have outlived its family"


async def test_an_end_of_the_client_ends_its_tokens_and_it_may_ask_again(
    issuer: LiveIssuer, browser: Browser
) -> None:
    before = (await asked(browser)).json()["access_token"]
    assert (await issuer.verifier.verify(before)).subject == "robot"
    await issuer.services.families.end_of_client(
        "robot", reason="operator", info=RequestInfo(), now=issuer.clock.now
    )
    await issuer.follow_once()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(before)
    after = (await asked(browser)).json()["access_token"]
    assert (await issuer.verifier.verify(after)).subject == "robot"
    assert len(await machine_nodes(issuer)) == 2


async def test_an_operator_sees_and_ends_a_machine_grant(issuer: LiveIssuer, browser: Browser) -> None:
    token = (await asked(browser)).json()["access_token"]
    long_after = issuer.clock.now + 30 * 86_400
    (family,) = await issuer.services.families.of_client("robot", long_after)
    assert (family.user_id, family.audience) == (None, API)
    ended = await issuer.services.families.end_whosever(
        family.id, reason="operator", info=RequestInfo(actor="operator"), now=issuer.clock.now
    )
    assert ended
    await issuer.follow_once()
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(token)
    assert await issuer.services.families.of_client("robot", long_after) == []


async def test_the_metadata_offers_the_grant(browser: Browser) -> None:
    told = (await browser.get("/.well-known/oauth-authorization-server")).json()
    assert "client_credentials" in told["grant_types_supported"]


async def test_many_at_once_open_one_family(issuer: LiveIssuer, browser: Browser) -> None:
    answers = await asyncio.gather(*(asked(browser) for _ in range(20)))
    assert {one.status_code for one in answers} == {200}
    assert len(await machine_nodes(issuer)) == 1
