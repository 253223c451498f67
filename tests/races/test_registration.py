"""Clients that register themselves, over two nodes: an invitation for one lets one in, and of many who change or remove
a client by one registration access token one does.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from admit.issuer.audit.records import NOBODY
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.errors import RegistrationTokenError
from admit.issuer.clients.registration import Registered, Registration
from admit.issuer.clients.registry import Registry
from admit.issuer.consents.driver import Consents
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain
from tests.races.conftest import Held

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"redirect_uris": ["https://app.example/cb"], "client_name": "An application"}
# On SQLite a change is over before the next one looks, so that there the look alone keeps a second one out.
SWAP_ONCE = ["admit.issuer.clients.transactions:swap", "admit.issuer.clients.registration:is_token_of"]
Rounds = Callable[..., range]


class Node:
    """One node, as far as clients register there."""

    def __init__(self, parts: Parts) -> None:
        config = RegistrationConfig(enabled=True, per_network=1_000_000)
        self.rows = parts.rows
        self.registration = Registration(parts.db, Registry(issuer="https://id.example"), config)
        self.consents = Consents(parts.db, parts.lists)

    async def invite(self) -> str:
        token, _ = await self.registration.invite(uses=1, lifetime=timedelta(hours=1), now=NOW)
        return token

    async def register(self, token: str) -> Registered:
        return await self.registration.register(GOOD, token, info=NOBODY, now=NOW)

    async def rename(self, made: Registered, name: str) -> Registered:
        members = {**GOOD, "client_id": made.client.id, "client_name": name}
        token = made.registration_access_token
        return await self.registration.replace(made.client.id, token, members, info=NOBODY, now=NOW)

    async def remove(self, made: Registered) -> bool:
        presented = await self.registration.presented(made.client.id, made.registration_access_token)
        ended = await self.consents.remove_registered(
            made.client.id, presented=presented, reason="the client removed itself", info=INFO, now=NOW
        )
        return ended is not None


@pytest.fixture
async def nodes(open_again: OpenAgain) -> tuple[Node, Node]:
    """Two nodes of one deployment."""
    return Node(await Parts.on(await open_again())), Node(await Parts.on(await open_again()))


@pytest.mark.rfc("7591", "3")
@pytest.mark.threat("O-1", off="admit.issuer.clients.transactions:spend")
@pytest.mark.threat("INF-race", off="admit.issuer.clients.transactions:spend")
async def test_of_many_clients_with_one_invitation_for_one_one_gets_in(
    nodes: tuple[Node, Node], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    turns = rounds(test=5, soak=200)
    for number in turns:
        token = await nodes[0].invite()
        work = [nodes[n % 2].register(token) for n in range(at_once)]
        rng.shuffle(work)
        answers = await asyncio.gather(*work, return_exceptions=True)
        won = [one for one in answers if isinstance(one, Registered)]
        refused = [one for one in answers if isinstance(one, RegistrationTokenError)]
        assert (len(won), len(refused)) == (1, at_once - 1), answers
        assert len(await nodes[1].rows("client")) == number + 1
    assert [one.uses_left for one in await nodes[1].registration.invites(NOW)] == [0] * len(turns)
    held("invitation of a client", "drivers", turns)


@pytest.mark.rfc("7592", "2.2")
@pytest.mark.rfc("7592", "2.3")
@pytest.mark.threat("EXT-dcr", off=SWAP_ONCE)
@pytest.mark.threat("INF-race", off=SWAP_ONCE)
async def test_of_many_uses_of_one_registration_access_token_one_changes_or_removes_the_client(
    nodes: tuple[Node, Node], rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    turns = rounds(test=5, soak=200)
    for _ in turns:
        made = await nodes[0].register(await nodes[0].invite())
        work: list[Any] = [nodes[n % 2].rename(made, f"Name {n}") for n in range(2, at_once)]
        work += [node.remove(made) for node in nodes]
        rng.shuffle(work)
        answers = await asyncio.gather(*work, return_exceptions=True)
        won = [one for one in answers if one is True or isinstance(one, Registered)]
        refused = [one for one in answers if one is False or isinstance(one, RegistrationTokenError)]
        assert (len(won), len(refused)) == (1, at_once - 1), answers
        (row,) = [row for row in await nodes[1].rows("client") if row["id"] == made.client.id]
        assert (row["removed_at"] is not None) == (won[0] is True)
        with pytest.raises(RegistrationTokenError):
            await nodes[1].registration.read(made.client.id, made.registration_access_token)
        if isinstance(won[0], Registered):
            found = await nodes[1].registration.read(made.client.id, won[0].registration_access_token)
            assert found.client == won[0].client
    held("registration access token", "drivers", turns)
