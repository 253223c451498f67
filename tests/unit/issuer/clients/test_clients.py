"""`Clients` on both databases: those of the settings, and those that it keeps."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.clients import kept, rules
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.errors import ClientNotFoundError
from admit.issuer.clients.records import ACR_2FA, Client, Resource
from admit.issuer.clients.registry import Registry
from admit.issuer.consents import transactions as consents
from admit.issuer.consents.driver import Consents
from admit.issuer.consents.records import Answer
from admit.issuer.storage import Database
from tests.fixtures.people import API, CALLBACK, CLIENT, INFO, NOW, Parts


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


async def test_an_id_that_the_settings_let_go_of_is_nobody_elses(db: Database) -> None:
    """What was granted to it, and who said yes to it, is still there."""
    await Parts.on(db)
    await Clients(db, registry("a")).sync(NOW)
    clients = Clients(db, registry())
    await clients.sync(NOW + 1)
    assert not await clients.add(Client(id="a", name="Other", redirect_uris=(CALLBACK,)), now=NOW + 2)
    assert await clients.find("a") is None


async def test_an_unchanged_registry_writes_nothing_and_many_nodes_write_once(db: Database) -> None:
    parts = await Parts.on(db)
    await asyncio.gather(*(Clients(db, registry("a")).sync(NOW) for _ in range(5)))
    await Clients(db, registry("a")).sync(NOW + 5)
    assert await parts.events() == ["client.added"]


async def test_a_client_of_the_database_is_found_with_all_that_it_was_added_with(db: Database) -> None:
    clients = Clients(db, registry("a"))
    added = Client(
        id="kept", name="Kept <b>", redirect_uris=("https://app.example/cb",), public=False,
        secret_hashes=(rules.hash_secret("s" * 43),), acr=ACR_2FA, contacts=("ada@app.example",),
    )  # fmt: skip
    assert await clients.find("kept") is None
    assert await clients.add(added, now=NOW)
    assert await clients.find("kept") == added
    assert await clients.find("KEPT") is None
    assert await clients.find(None) is None
    assert (await clients.find_many(["kept", "a", "nobody", "u_x"])).keys() == {"kept", "a"}
    assert not await clients.add(replace(added, name="Another"), now=NOW), "the id is taken"
    assert not await clients.add(replace(added, id="a"), now=NOW), "by the settings"
    assert [one.client for one in await clients.list()] == [added]


BROKEN: tuple[dict[str, Any], ...] = (
    {"redirect_uris": ("http://app.example/cb",)},
    {"id": "u_kept"},
    {"resources": frozenset({"https://unknown.example"})},
    {"scopes": frozenset({"admin"})},
    {"name": "two\nlines"},
    {"trusted": False, "first_party": True},
    {"logo_uri": "javascript:alert(1)"},
)


async def test_the_rules_of_the_settings_hold_for_the_database_too(db: Database) -> None:
    clients = Clients(db, registry())
    good = Client(id="kept", name="Kept", redirect_uris=("https://app.example/cb",))
    for changes in BROKEN:
        with pytest.raises(ConfigError):
            await clients.add(replace(good, **changes), now=NOW)
    assert await clients.list() == []
    assert await clients.add(good, now=NOW)


async def test_origins_are_known_while_some_client_has_them(db: Database) -> None:
    clients, parts = Clients(db, registry("a")), await Parts.on(db)
    for id in ("one", "two"):
        await clients.add(Client(id=id, name=id, redirect_uris=("https://app.example:8443/cb",)), now=NOW)
    assert await clients.has_origin("https://rp.example"), "of the settings"
    assert await clients.has_origin("https://app.example:8443")
    assert not await clients.has_origin("https://app.example")
    for id, left in (("one", True), ("two", False)):
        assert await Consents(db, parts.lists).remove_client(id, reason="gone", info=INFO, now=NOW) == 0
        assert await clients.has_origin("https://app.example:8443") is left


async def test_a_removed_client_is_gone_with_all_that_was_granted_to_it_on_every_node(db: Database) -> None:
    parts, clients, elsewhere = await Parts.on(db), Clients(db, registry()), Clients(db, registry())
    await clients.add(Client(id=CLIENT, name="App", redirect_uris=(CALLBACK,)), now=NOW)
    assert await elsewhere.find(CLIENT) is not None
    redeemed = await parts.grant()
    said = Answer(granted=frozenset({"openid"}), shown={"openid": "v"})
    assert await db.run(consents.remember, redeemed.authorization.user_id, CLIENT, API, said, now=NOW)
    assert await Consents(db, parts.lists).remove_client(CLIENT, reason="gone", info=INFO, now=NOW) == 1
    assert await elsewhere.find(CLIENT) is None
    assert await clients.list() == []
    assert await parts.is_ended(redeemed.family.id)
    assert await parts.rows("consent") == [], "whoever takes the id later is asked about anew"
    assert await Consents(db, parts.lists).remove_client(CLIENT, reason="gone", info=INFO, now=NOW) is None
    assert await clients.add(Client(id=CLIENT, name="App", redirect_uris=(CALLBACK,)), now=NOW)
    await elsewhere.check_known(CLIENT)


async def test_a_new_secret_stands_beside_the_newest_old_one_and_alone_when_asked(db: Database) -> None:
    clients = Clients(db, registry())
    first = rules.new_secret()
    await clients.add(
        Client(
            id="kept", name="Kept", redirect_uris=(CALLBACK,), public=False,
            secret_hashes=(rules.hash_secret(first),),
        ),
        now=NOW,
    )  # fmt: skip

    async def good(*secrets: str) -> list[bool]:
        found = await clients.find("kept")
        assert found is not None
        return [rules.verify_secret(found.secret_hashes, secret) for secret in secrets]

    second, count = await clients.new_secret("kept", drop_old=False, now=NOW)
    assert (count, await good(first, second)) == (2, [True, True])
    third, count = await clients.new_secret("kept", drop_old=False, now=NOW)
    assert (count, await good(first, second, third)) == (2, [False, True, True])
    fourth, count = await clients.new_secret("kept", drop_old=True, now=NOW)
    assert (count, await good(second, third, fourth)) == (1, [False, False, True])
    made = await asyncio.gather(*(clients.new_secret("kept", drop_old=True, now=NOW) for _ in range(3)))
    assert sum(await good(*(secret for secret, _ in made))) == 1, "whoever was last"
    with pytest.raises(ClientNotFoundError):
        await clients.new_secret("nobody", drop_old=True, now=NOW)


async def test_a_document_of_a_later_version_is_no_client(db: Database) -> None:
    with pytest.raises(kept.KeptError):
        kept.client_of("kept", '{"name":"Kept","only_on_tuesdays":true}', None)
    with pytest.raises(kept.KeptError):
        kept.client_of("kept", '{"name":"Kept","public":"yes"}', None)
    with pytest.raises(kept.KeptError):
        kept.client_of("kept", '{"name":"Kept","id":"other"}', None)


@pytest.mark.threat("6819-4.4.3.1", off="admit.issuer.clients.rules:check_kept")
async def test_no_client_of_the_database_asks_for_passwords(db: Database) -> None:
    clients = Clients(db, registry())
    mine = Client(
        id="kept", name="Kept", redirect_uris=("https://app.example/cb",), first_party=True, api_login=True
    )
    with pytest.raises(ConfigError, match="settings file"):
        await clients.add(mine, now=NOW)
    assert await clients.find("kept") is None
    with pytest.raises(kept.KeptError):
        kept.client_of("kept", '{"name":"Kept","first_party":true,"api_login":true}', None)
    assert not kept.client_of("kept", kept.document_of(mine), None).api_login
    assert not registry("kept").may_take_passwords(mine)


async def test_a_resource_of_the_database_is_known_to_the_registry_and_to_others_when_they_look(
    db: Database,
) -> None:
    here, there = registry("a"), registry("a")
    resource = Resource(
        id=API, name="Orders", scopes={"orders:read": "See orders"},
        roles={"*": frozenset({"orders:read"})}, secret_hash=rules.hash_secret("s" * 43),
    )  # fmt: skip
    assert await Clients(db, here).add_resource(resource, now=NOW)
    assert not await Clients(db, here).add_resource(resource, now=NOW)
    assert here.resource(API) == resource
    assert there.resource(API) is None
    generation = there.generation
    await Clients(db, there).read_resources()
    assert there.resource(API) == resource
    assert there.generation == generation + 1
    client = Client(
        id="kept", name="Kept", redirect_uris=(CALLBACK,), resources=frozenset({API}), default_resource=API,
        scopes=frozenset({"openid", "orders:read"}),
    )  # fmt: skip
    assert await Clients(db, there).add(client, now=NOW)
    assert await Clients(db, here).remove_resource(API, now=NOW)
    assert not await Clients(db, here).remove_resource(API, now=NOW)
    assert here.resource(API) is None
    found = await Clients(db, here).find("kept")
    assert found is not None
    assert (found.resources, found.default_resource) == (frozenset(), None)


async def test_a_resource_is_changed_by_one_row_and_two_at_once_lose_nothing_of_each_other(
    db: Database,
) -> None:
    parts = await Parts.on(db)
    here, there = Clients(db, registry("a")), Clients(db, registry("a"))
    resource = Resource(
        id=API, name="Orders", scopes={"orders:read": "See orders"}, secret_hash=rules.hash_secret("s" * 43)
    )
    assert await here.add_resource(resource, now=NOW)

    def lets_in(machine: str) -> Callable[[Resource], Resource]:
        return lambda one: replace(one, clients={**one.clients, machine: frozenset({"orders:read"})})

    await asyncio.gather(
        *(on.change_resource(API, lets_in(f"m{n}"), now=NOW + 1) for n, on in enumerate((here, there, here)))
    )
    kept_one = await here.change_resource(API, lambda one: one, now=NOW + 2)
    assert kept_one is not None
    assert kept_one.clients.keys() == {"m0", "m1", "m2"}
    assert kept_one.secret_hash == resource.secret_hash
    assert (await parts.events()).count("resource.changed") == 3, "what changed nothing is not told"
    with pytest.raises(ConfigError):
        await here.change_resource(
            API, lambda one: replace(one, clients={"m": frozenset({"orders:burn"})}), now=NOW
        )
    renamed = await here.change_resource(
        API, lambda one: replace(one, id="https://x", secret_hash=None), now=NOW
    )
    assert renamed == kept_one, "neither id nor secret is changed so"
    assert await here.change_resource("https://nobody.example", lambda one: one, now=NOW) is None
