"""`Clients.sync` on both databases."""

import asyncio

from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Database
from tests.fixtures.people import NOW, Parts


def registry(*ids: str) -> Registry:
    clients = [Client(id=id, name=id, redirect_uris=("https://rp.example/cb",)) for id in ids]
    return Registry(clients, issuer="https://id.example")


async def test_clients_of_the_settings_are_known_marked_when_gone_and_known_again(db: Database) -> None:
    parts = await Parts.on(db)
    await Clients(db, registry("a", "b")).sync(NOW)
    assert {row["id"]: row["removed_at"] for row in await parts.rows("client")} == {"a": None, "b": None}
    assert {row["id"] for row in await parts.rows("holder") if row["kind"] == "client"} == {"a", "b"}
    await Clients(db, registry("a")).sync(NOW + 1)
    assert {row["id"]: row["removed_at"] for row in await parts.rows("client")} == {"a": None, "b": NOW + 1}
    await Clients(db, registry("a", "b")).sync(NOW + 2)
    assert {row["id"]: row["removed_at"] for row in await parts.rows("client")} == {"a": None, "b": None}
    assert await parts.events() == ["client.added", "client.added", "client.removed", "client.added"]


async def test_an_unchanged_registry_writes_nothing_and_many_nodes_write_once(db: Database) -> None:
    parts = await Parts.on(db)
    await asyncio.gather(*(Clients(db, registry("a")).sync(NOW) for _ in range(5)))
    await Clients(db, registry("a")).sync(NOW + 5)
    assert await parts.events() == ["client.added"]
