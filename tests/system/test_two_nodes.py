"""Two issuer processes and two API processes on one PostgreSQL: what one knows, all know."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fixtures.issuer import ADA, BO, answer_of, pkce, request_of
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import Child, Deployment, Visitor, deployment, furnished_postgresql_url
from tests.plugins.patience import slack

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
def two(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, url = tmp_path_factory.mktemp("two"), furnished_postgresql_url(postgres_server)
    with deployment(folder, url, apis=[{"poll": 0.5, "max_staleness": 3}] * 2) as made:
        yield made


@pytest.fixture
async def visitor(two: Deployment) -> AsyncIterator[Visitor]:
    async with two.visitor() as made:
        yield made


async def status_within(
    seconds: float, wanted: int, visitor: Visitor, api: Child, token: str | None
) -> float:
    """The seconds until this API answers `wanted`."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        answer = await visitor.ask(api, token=token)
        took = clock() - began
        if answer.status_code == wanted:
            return took
        assert took < seconds, f"{answer.status_code} {answer.text} after {took:.1f} s"
        await asyncio.sleep(0.02)


async def test_signed_in_at_one_node_known_at_the_other_and_at_both_apis(
    two: Deployment, visitor: Visitor
) -> None:
    tokens = await visitor.at(two.front).tokens(ADA)
    me = (await visitor.at(two.beside).get("/api/session")).json()
    claims = (
        await visitor.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    ).json()
    assert claims["sub"] == me["sub"]
    for api in two.apis:
        by_token = await visitor.ask(api, token=tokens["access_token"])
        by_session = await visitor.ask(api)
        assert (by_token.status_code, by_session.status_code) == (200, 200), by_session.text
        assert by_token.json()["sub"] == by_session.json()["sub"] == me["sub"]
        assert by_token.json()["sid"] == by_session.json()["sid"] == me["sid"]
        assert (await visitor.ask(api, "/all", token=tokens["access_token"])).status_code == 200


async def test_a_sign_in_begun_at_one_node_is_finished_at_the_other(
    two: Deployment, visitor: Visitor
) -> None:
    verifier, challenge = pkce()
    request = {**request_of("native"), "code_challenge": challenge}
    begun = await visitor.at(two.front).get("/authorize", params=request)
    page = await visitor.at(two.beside).get(begun.headers["location"])
    signed_in = await visitor.at(two.front).submit("/login", page.text, email=BO[0], password=BO[1])
    assert signed_in.headers["location"].startswith("/consent"), signed_in.text
    consent = await visitor.at(two.beside).get(signed_in.headers["location"])
    allowed = await visitor.at(two.front).submit("/consent", consent.text, decision="allow")
    code = answer_of(allowed)["code"]
    redeemed = await visitor.at(two.beside).redeem(code, verifier, "native")
    assert redeemed.status_code == 200, redeemed.text
    refreshed = await visitor.at(two.front).refresh(redeemed.json()["refresh_token"], "native")
    assert refreshed.status_code == 200, refreshed.text
    again = await visitor.at(two.beside).refresh(redeemed.json()["refresh_token"], "native")
    assert again.json()["refresh_token"] == refreshed.json()["refresh_token"]


async def test_signed_up_at_one_node_signs_in_at_the_other_and_with_a_wrong_password_nowhere(
    two: Deployment, visitor: Visitor
) -> None:
    email, password = f"{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(12)
    page = await visitor.at(two.front).get("/signup")
    made = await visitor.submit("/signup", page.text, name="Cy", email=email, password=password)
    assert made.status_code == 303, made.text
    async with two.visitor() as other:
        other.at(two.beside)
        page = await other.get("/login")
        wrong = await other.submit("/login", page.text, email=email, password=password + "x")
        assert wrong.status_code == 400
        assert (await other.get("/api/session")).status_code == 401
        tokens = await other.tokens((email, password, "Cy", ()))
        assert (await other.ask(two.apis[1], token=tokens["access_token"])).status_code == 200
        # A role that a person lacks is 403, with the challenge; at every API.
        refused = await other.ask(two.apis[0], "/all", token=tokens["access_token"])
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


@pytest.mark.threat("SES-6", off_system="admit.verifier.freshness:check_bit")
async def test_a_user_disabled_by_another_process_is_refused_everywhere(
    two: Deployment, visitor: Visitor
) -> None:
    email, password = f"{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(12)
    who = (email, password, "Di", ())
    page = await visitor.at(two.front).get("/signup")
    await visitor.submit("/signup", page.text, name="Di", email=email, password=password)
    tokens = await visitor.tokens()
    code, verifier = await visitor.code(who)
    for api in two.apis:
        assert (await visitor.ask(api, token=tokens["access_token"])).status_code == 200
        assert (await visitor.ask(api)).status_code == 200
    done = two.run("user", "disable", email)
    assert done.returncode == 0, done.stderr
    for node in two.nodes:
        visitor.at(node)
        assert (await visitor.get("/api/session")).status_code == 401
        for answer in (await visitor.refresh(tokens["refresh_token"]), await visitor.redeem(code, verifier)):
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert (await visitor.get("/userinfo", headers=bearer)).status_code == 401
        page = await visitor.get("/login")
        assert (await visitor.submit("/login", page.text, email=email, password=password)).status_code == 400
    for api in two.apis:
        await status_within(0.5 + slack(), 401, visitor, api, tokens["access_token"])
        await status_within(0.5 + slack(), 401, visitor, api, None)
