"""Behind nginx as it comes (answers buffered, HTTP/1.0 to the node behind) ends are told as they happen."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from admit.errors import RevokedError
from admit.verifier import Revocation, TrustedIssuer, Verifier
from tests.fixtures.issuer import API
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import Deployment, deployment, furnished_postgresql_url
from tests.plugins.patience import slack

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

POLL = 10.0
SOON = 2.0  # seconds; tens of milliseconds on a machine that is not busy
ROUNDS = 3
READY_WITHIN = 15.0


@pytest.fixture(scope="module")
def two(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, url = tmp_path_factory.mktemp("nginx"), furnished_postgresql_url(postgres_server)
    with deployment(folder, url, proxy=True) as made:
        yield made


def verifier_of(deployed: Deployment, *, stream: bool) -> Verifier:
    terms = Revocation(poll=timedelta(seconds=POLL), stream=stream)
    return Verifier(TrustedIssuer(deployed.issuer, audience=API, revocation=terms))


def refuses(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except RevokedError:
        return True
    return False


async def until_following(verifier: Verifier, *, stream: str) -> None:
    until = time.monotonic() + READY_WITHIN
    while not (verifier.ready() and verifier.health().issuers[0].stream == stream):
        assert time.monotonic() < until, verifier.health()
        await asyncio.sleep(0.02)


async def test_an_end_at_another_node_is_told_long_before_it_would_be_asked_for(two: Deployment) -> None:
    late = 0
    with closing(verifier_of(two, stream=True)) as told, closing(verifier_of(two, stream=False)) as asking:
        await until_following(told, stream="open")
        await until_following(asking, stream="off")
        for _ in range(ROUNDS):
            async with two.visitor() as visitor:
                tokens = await visitor.at(two.beside).tokens()
                token = tokens["access_token"]
                assert not refuses(told, token)
                assert not refuses(asking, token)
                done = await visitor.log_out(tokens["id_token"])
                answered = time.monotonic()
                assert done.status_code == 200, done.text
                while not refuses(told, token):
                    assert time.monotonic() < answered + SOON + slack()
                    await asyncio.sleep(0.005)
                late += not refuses(asking, token)
    # Whoever only asks does not know it yet, unless it asked in that very moment.
    assert late
