"""The database goes away under a running issuer: 503 with when to come again, and it heals by itself."""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from admit.credentials import cookies
from tests.fixtures.issuer import ADA, API, API_SECRET, pkce, request_of
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import Deployment, Visitor, deployment, furnish

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def server(postgres_factory: Callable[..., PostgresServer]) -> PostgresServer:
    """A server of this test's own, to be stopped."""
    return postgres_factory(fsync=False)


@pytest.fixture
def alone(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    url = server.dsn(server.create_database())
    furnish(url)
    with deployment(tmp_path_factory.mktemp("outage"), url) as made:
        yield made


def id_hash_of(visitor: Visitor) -> str:
    raw = visitor.cookies[cookies.session_cookie_name(visitor.origin, dev=True)]
    digest = hashlib.sha256(base64.urlsafe_b64decode(raw + "=")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def look_up(visitor: Visitor, id_hash: str) -> httpx2.Response:
    auth = (quote(API, safe=""), API_SECRET)
    return await visitor.post("/session/lookup", json={"id_hash": id_hash}, auth=auth)


def check_503(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    for word in ("Traceback", "asyncpg", "SELECT", "postgres"):
        assert word not in answer.text


async def healed(visitor: Visitor) -> None:
    """Until the node is ready again, by itself."""
    for _ in range(400):
        if (await visitor.get("/health/ready")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the node did not heal within 20 s")


@pytest.mark.threat("INF-errors")
@pytest.mark.threat("O-4")
async def test_without_the_database_503_with_retry_after_and_it_heals(
    server: PostgresServer, alone: Deployment
) -> None:
    async with alone.visitor() as visitor:
        tokens = await visitor.tokens(ADA)
        id_hash = id_hash_of(visitor)
        code, verifier = await visitor.code(ADA)
        _, challenge = pkce()
        request = {**request_of("spa"), "code_challenge": challenge}
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}

        async def everything() -> list[httpx2.Response]:
            """Each endpoint that needs the database, at both nodes."""
            answers: list[Any] = []
            for node in alone.nodes:
                visitor.at(node)
                answers += await asyncio.gather(
                    visitor.redeem(code, verifier),
                    visitor.refresh(tokens["refresh_token"]),
                    visitor.get("/authorize", params=request),
                    look_up(visitor, id_hash),
                    visitor.get("/userinfo", headers=bearer),
                    visitor.get("/api/session"),
                    visitor.get("/status/head", params={"nonce": "n" * 22}),
                    visitor.get("/health/ready"),
                )
            return answers

        server.stop()
        for answer in await everything():
            check_503(answer)
        # A page for people says so too, and signs nobody in.
        page = await visitor.get("/login")
        check_503(page)
        # What needs no database goes on: verifiers keep their keys.
        assert (await visitor.get("/jwks")).status_code == 200
        assert (await visitor.get("/health/live")).status_code == 200
        server.start()
        for node in alone.nodes:
            await healed(visitor.at(node))
        # Nothing was spent by the requests that were turned away.
        visitor.at(alone.front)
        assert (await visitor.redeem(code, verifier)).status_code == 200
        assert (await visitor.at(alone.beside).refresh(tokens["refresh_token"])).status_code == 200
        assert (await look_up(visitor, id_hash)).status_code == 200
        assert (await visitor.get("/authorize", params=request)).status_code == 303
        assert (await visitor.get("/userinfo", headers=bearer)).status_code == 200
    for node in alone.nodes:
        assert "Traceback" not in node.log
