"""Opening families, and holding them."""

from typing import Any

import pytest

from admit.issuer.revocation import ByClient, ByNode, ByUser, NodeKind, store
from tests.fixtures.families import LATER, NOW, Process

ONLINE, DERIVED, OFFLINE, MACHINE = NodeKind.ONLINE, NodeKind.DERIVED, NodeKind.OFFLINE, NodeKind.MACHINE


async def test_a_session_opens_under_its_user_and_tells_all_about_itself(process: Process) -> None:
    await process.user()
    node = await process.open(user_id="u_alice")
    assert node is not None
    assert (node.kind, node.user_id, node.client_id, node.parent_id) == (
        NodeKind.SESSION,
        "u_alice",
        None,
        None,
    )
    assert (node.created_at, node.expires_at) == (NOW, LATER)
    assert len(node.id) == 22
    assert await process.db.run(store.lock_node, node.id, NOW) == node


async def test_indices_rise_and_ids_differ(process: Process) -> None:
    await process.user()
    nodes = [await process.session() for _ in range(20)]
    assert [node.idx for node in nodes] == sorted({node.idx for node in nodes})
    assert len({node.id for node in nodes}) == 20


async def test_an_unknown_or_disabled_user_gets_no_family(process: Process) -> None:
    assert await process.open(user_id="u_alice") is None
    await process.user()
    assert await process.open(user_id="u_alice") is not None
    await process.db.run(store.end_holder, "user", "u_alice", NOW)
    assert await process.open(user_id="u_alice") is None
    assert await process.open(OFFLINE, user_id="u_alice", client_id="app") is None
    await process.db.run(store.restore_holder, "user", "u_alice")
    assert await process.open(user_id="u_alice") is not None


async def test_adding_a_holder_again_does_not_bring_it_back(process: Process) -> None:
    await process.user()
    await process.db.run(store.end_holder, "user", "u_alice", NOW)
    await process.user()
    assert await process.open(user_id="u_alice") is None


@pytest.mark.parametrize("kind", [ONLINE, DERIVED])
async def test_a_grant_opens_under_a_live_parent_and_outlives_it_never(
    process: Process, kind: NodeKind
) -> None:
    await process.user()
    session = await process.session()
    grant = await process.open(
        kind, parent_id=session.id, user_id="u_alice", client_id="app", expires_at=LATER + 1
    )
    assert grant is not None
    assert (grant.parent_id, grant.expires_at) == (session.id, LATER)


async def test_no_grant_opens_under_a_parent_that_is_ended_expired_or_unknown(process: Process) -> None:
    await process.user()
    ended, expired = await process.session(), await process.session()
    await process.end(ByNode(ended.id))
    assert await process.open(ONLINE, parent_id=ended.id, client_id="app") is None
    assert (
        await process.open(ONLINE, parent_id=expired.id, client_id="app", now=LATER, expires_at=LATER + 9)
        is None
    )
    assert await process.open(ONLINE, parent_id="no-such-node", client_id="app") is None


async def test_a_machine_opens_under_its_client_until_that_is_ended(process: Process) -> None:
    assert await process.open(MACHINE, client_id="job") is not None
    await process.db.run(store.end_holder, "client", "job", NOW)
    assert await process.open(MACHINE, client_id="job") is None
    await process.user()
    session = await process.session()
    assert await process.open(ONLINE, parent_id=session.id, client_id="job") is None


async def test_a_node_that_would_be_born_dead_is_not_opened(process: Process) -> None:
    await process.user()
    assert await process.open(user_id="u_alice", expires_at=NOW) is None


@pytest.mark.parametrize(
    "given",
    [
        {"kind": NodeKind.SESSION},
        {"kind": NodeKind.SESSION, "user_id": "u", "parent_id": "p"},
        {"kind": ONLINE, "user_id": "u", "client_id": "app"},
        {"kind": DERIVED, "client_id": "app"},
        {"kind": OFFLINE, "client_id": "app"},
        {"kind": OFFLINE, "user_id": "u", "parent_id": "p"},
        {"kind": MACHINE},
        {"kind": MACHINE, "client_id": "app", "user_id": "u"},
        {"kind": "something"},
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_node_in_an_impossible_place_is_the_callers_mistake(
    process: Process, given: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"grant|session|NodeKind"):
        await process.open(**given)


async def test_only_a_live_node_can_be_locked(process: Process) -> None:
    await process.user()
    node = await process.session()
    assert await process.db.run(store.lock_node, node.id, LATER - 1) == node
    assert await process.db.run(store.lock_node, node.id, LATER) is None
    assert await process.db.run(store.lock_node, "another", NOW) is None
    await process.end(ByUser("u_alice"))
    assert await process.db.run(store.lock_node, node.id, NOW) is None


async def test_ending_by_client_does_not_keep_the_client_from_new_grants(process: Process) -> None:
    await process.user()
    session = await process.session()
    await process.grant(session)
    assert await process.end(ByClient("app")) == 1
    assert await process.is_live(await process.grant(session))
