"""Clients that act for themselves, over two nodes: an assertion has one use, and a client and audience one family."""

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random

import pytest

from admit.issuer import Client
from admit.issuer.clients.records import AuthMethod, Jwks
from admit.issuer.grants.machines import Machines
from admit.issuer.grants.records import Family
from admit.issuer.oauth.client_auth import store
from admit.issuer.oauth.client_auth.private_key_jwt import ASSERTION_TYPE
from admit.issuer.oauth.config import OAuthConfig
from admit.issuer.storage import Keyring
from admit.jose import JWK, jws
from tests.fixtures.issuer import ISSUER, make_issuer, settings_for
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain
from tests.races.conftest import Held

pytestmark = pytest.mark.anyio

PARALLEL = 20
Rounds = Callable[..., range]
AUDIENCE = "https://api.example"
KEY = JWK.generate("ES256", kid="k1")
SIGNER = Client(
    id="signer",
    name="A service",
    public=False,
    grant_types=frozenset({"client_credentials"}),
    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
    jwks=Jwks(json.dumps({"keys": [KEY.public().to_dict()]})),
)


@pytest.fixture
async def nodes(open_again: OpenAgain) -> tuple[Parts, Parts]:
    """Two nodes of one deployment."""
    return await Parts.on(await open_again()), await Parts.on(await open_again())


async def test_of_many_uses_of_one_assertion_one_wins(
    nodes: tuple[Parts, Parts], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    turns = rounds(test=5, soak=200)
    for _ in turns:
        jti = secrets.token_urlsafe(8)
        order = [nodes[n % 2] for n in range(at_once)]
        rng.shuffle(order)
        outcomes = await asyncio.gather(
            *(node.db.run(store.spend, "signer", jti, expires_at=NOW + 60) for node in order)
        )
        assert sum(outcomes) == 1
        assert await nodes[0].db.run(store.spend, "neighbour", jti, expires_at=NOW + 60)
    held("client assertion", "drivers", turns)


@pytest.fixture
def both(nodes: tuple[Parts, Parts]) -> tuple[Machines, Machines]:
    """The grants of these two nodes."""
    here, there = nodes
    return Machines(here.db), Machines(there.db)


async def granted(node: Machines, client_id: str) -> Family:
    found = await node.grant(
        client_id, AUDIENCE, scope=frozenset({"read"}), until=NOW + 300, info=INFO, now=NOW
    )
    assert found is not None
    return found


async def test_tokens_asked_for_at_once_share_one_family(
    both: tuple[Machines, Machines], rounds: Rounds, rng: Random
) -> None:
    for number in rounds(test=5, soak=100):
        order = [both[n % 2] for n in range(PARALLEL)]
        rng.shuffle(order)
        families = await asyncio.gather(*(granted(node, f"robot-{number}") for node in order))
        assert len({family.id for family in families}) == 1


async def test_an_end_amid_tokens_leaves_none_of_before_alive_and_at_most_one_family(
    nodes: tuple[Parts, Parts], both: tuple[Machines, Machines], rounds: Rounds, rng: Random
) -> None:
    here, there = nodes
    for number in rounds(test=5, soak=100):
        client_id = f"robot-{number}"
        before = await granted(both[0], client_id)
        assert await granted(both[1], client_id) == before
        work = [granted(both[n % 2], client_id) for n in range(PARALLEL)]
        rng.shuffle(work)
        families, _ = await asyncio.gather(
            asyncio.gather(*work),
            there.families.end_of_client(client_id, reason="operator", info=INFO, now=NOW),
        )
        assert await here.is_ended(before.id)
        given = {family.id for family in families}
        alive = {family_id for family_id in given if not await here.is_ended(family_id)}
        assert len(alive) <= 1
        now = [await granted(machines, client_id) for machines in both]
        assert {family.id for family in now} == (alive or {now[0].id})
    told = [row for row in await here.rows("audit") if row["event"] == "token.issued"]
    assert len(told) == (number + 1) * (PARALLEL + 4), "each token has its record, whichever way it was given"


@pytest.mark.parametrize("database", [pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"])
@pytest.mark.rfc("7523", "3")
@pytest.mark.threat("EXT-assert", off="admit.issuer.oauth.client_auth.private_key_jwt:spend")
@pytest.mark.threat("INF-race", off="admit.issuer.oauth.client_auth.private_key_jwt:spend")
async def test_one_assertion_at_two_nodes_at_once_gets_in_once(
    request: pytest.FixtureRequest, keyring: Keyring, rounds: Rounds, database: str, at_once: int, held: Held
) -> None:
    url: str = request.getfixturevalue(f"{database}_url")
    many = settings_for(url, client=(SIGNER,), oauth=OAuthConfig(wrong_codes_per_minute=100_000))
    async with AsyncExitStack() as stack:
        nodes = [make_issuer(many, keyring) for _ in range(2)]
        for node in nodes:
            await stack.enter_async_context(node.lifespan())
        browsers = [await stack.enter_async_context(node.browser()) for node in nodes]
        turns = rounds(test=5, soak=200)
        for _ in turns:
            now = int(nodes[0].clock.now)
            claims = {
                "iss": "signer",
                "sub": "signer",
                "aud": ISSUER,
                "jti": secrets.token_urlsafe(8),
                "exp": now + 60,
            }
            form = {
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": jws.sign(json.dumps(claims).encode(), KEY),
                "token": "unknown",
            }
            answers = await asyncio.gather(
                *(browsers[n % 2].post("/revoke", data=form) for n in range(at_once))
            )
            codes = sorted(answer.status_code for answer in answers)
            assert codes == [200] + [401] * (at_once - 1)
    held("client assertion", "issuers", turns)
