"""Caches that many people share, before an API and before the issuer, which keep whatever they are not told to leave.

nginx is told to keep every answer for ten minutes, of whatever status; haproxy keeps what RFC 9111 lets it.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.fixtures.haproxy import haproxy_command
from tests.fixtures.issuer import ADA, BO
from tests.fixtures.nginx import nginx_command
from tests.fixtures.processes import Child, Deployment, Visitor, deployment, free_port, furnished_sqlite_url

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

NGINX_KEEPS_ALL = """
proxy_cache_path {folder} keys_zone=kept:1m;
proxy_cache kept;
proxy_cache_valid any 10m;
add_header X-Cache $upstream_cache_status always;
"""
ROUNDS = 5
ASKED = (("/who", "session"), ("/who", "token"), ("/by-token", "token"))
PAGES = ("/account", "/api/session", "/login", "/userinfo")


@dataclass(frozen=True)
class Cached:
    """A cache before the issuer, and one before the API."""

    deployed: Deployment
    issuer: Child
    api: Child


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def cached(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    folder = tmp_path_factory.mktemp("caches")
    with (
        deployment(folder, furnished_sqlite_url(folder), apis=[{}]) as deployed,
        contextlib.ExitStack() as ending,
    ):
        behind = {free_port(): deployed.front, free_port(): deployed.apis[0]}
        command = before(request.param, folder, {port: child.port for port, child in behind.items()})
        first, second = behind
        issuer = Child(command, folder, "cache", port=first, ready="/health/ready", host=deployed.host)
        issuer.start()
        ending.callback(issuer.stop)
        api = Child([], folder, "cache", port=second, ready="/health", host=f"127.0.0.1:{second}")
        yield Cached(deployed, issuer, api)


def before(kind: str, folder: Path, ports: dict[int, int]) -> list[str]:
    if kind == "haproxy":
        return haproxy_command(folder / "haproxy.cfg", ports)
    keeping = NGINX_KEEPS_ALL.replace("{folder}", str(folder / "kept"))
    return nginx_command(folder / "nginx", ports, also=keeping)


def from_the_cache(answer: httpx2.Response) -> bool:
    """As both caches are set to say it."""
    return answer.headers.get("x-cache") in ("HIT", "1")


@pytest.fixture
async def people(cached: Cached) -> Iterator[list[tuple[Visitor, str, str]]]:
    """Each with who they are and their access token; all came by the cache."""
    async with cached.deployed.visitor() as ada, cached.deployed.visitor() as bo:
        found = []
        for visitor, who in ((ada, ADA), (bo, BO)):
            tokens = await visitor.at(cached.issuer).tokens(who)
            seen = await visitor.get(
                "/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
            )
            found.append((visitor, seen.json()["sub"], tokens["access_token"]))
        assert found[0][1] != found[1][1]
        yield found


async def test_these_caches_do_keep_what_is_everybodys(cached: Cached) -> None:
    async with cached.deployed.visitor() as somebody, cached.deployed.visitor() as another:
        await somebody.at(cached.issuer).get("/jwks")
        assert from_the_cache(await another.at(cached.issuer).get("/jwks"))


async def each_gets_their_own(cached: Cached, people: list[tuple[Visitor, str, str]]) -> None:
    async with cached.deployed.visitor() as stranger:
        for (path, carried), _ in itertools.product(ASKED, range(ROUNDS)):
            for visitor, sub, token in people:
                answer = await visitor.ask(cached.api, path, token=token if carried == "token" else None)
                assert answer.status_code == 200, answer.text
                assert (answer.json()["sub"], answer.json()["by"]) == (sub, carried)
            assert (await stranger.ask(cached.api, path)).status_code == 401


@pytest.mark.threat("6819-4.6.6", off="admit.integrations.caching:additions")
@pytest.mark.parametrize("cached", ["nginx"], indirect=True)
async def test_nobody_gets_anothers_answer_of_an_api(
    cached: Cached, people: list[tuple[Visitor, str, str]]
) -> None:
    await each_gets_their_own(cached, people)


@pytest.mark.parametrize("cached", ["haproxy"], indirect=True)
async def test_nor_from_a_cache_that_leaves_alone_what_it_may_not_keep(
    cached: Cached, people: list[tuple[Visitor, str, str]]
) -> None:
    await each_gets_their_own(cached, people)


async def test_nobody_gets_anothers_answer_of_the_issuer(
    cached: Cached, people: list[tuple[Visitor, str, str]]
) -> None:
    async with cached.deployed.visitor() as stranger:
        for _ in range(ROUNDS):
            for path in PAGES:
                for visitor, sub, token in people:
                    given = {"authorization": f"Bearer {token}"} if path == "/userinfo" else {}
                    answer = await visitor.at(cached.issuer).get(path, headers=given)
                    assert not from_the_cache(answer), path
                    if path == "/userinfo":
                        assert answer.json()["sub"] == sub
                answer = await stranger.at(cached.issuer).get(path)
                assert not from_the_cache(answer), path
