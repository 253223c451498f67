"""Lists that leave, and the log that is let go."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from admit.errors import StorageUnavailableError
from admit.issuer.revocation import ByNode, ByUser, Sweeper, store
from admit.issuer.revocation.store.sweep import NODES, SELECT_FINISHED, drop_lists
from admit.issuer.storage import Bound, Row, Statement, bound_once
from tests.fixtures.families import LATER, NOW, Process

IN_ORDER = Statement(select(store.node.c.idx).order_by(store.node.c.idx))
COUNT = Statement(select(func.count().label("n")).select_from(store.status_change))
AGE = Statement(update(store.status_batch).values(at=NOW - 7200))


def sweeper(process: Process) -> Sweeper:
    return Sweeper(process.db, longest_token=timedelta(minutes=10))


async def begun(process: Process, list_number: int) -> None:
    """As if so many families had been opened that this list is the one being filled."""
    row = {
        "id": f"x{list_number}",
        "kind": "session",
        "user_id": "u_x",
        "created_at": NOW,
        "expires_at": LATER,
    }
    idx = (list_number << 20) + 7
    await process.db.run(bound_once, Statement(store.node.insert().values(idx=idx, **row))())
    await process.lists.ensure(process.db, NOW)


async def dropped(process: Process, before: float) -> int:
    """How many lists leave whose families were all over at `before`."""
    finished = [row["n"] for row in await process.db.read(SELECT_FINISHED(before=before))]
    return await process.db.run(drop_lists, finished, now=NOW)


async def test_a_list_leaves_when_its_families_are_over_and_their_tokens_dead(process: Process) -> None:
    await process.user()
    await process.session()
    await begun(process, 2)
    assert sorted((await process.head()).lists) == [0, 1, 2, 3]
    assert await dropped(process, NOW - 1) == 0
    await process.end(ByUser("u_alice"))
    assert await dropped(process, NOW) == 0
    assert await dropped(process, NOW + 0.5) == 2
    assert sorted((await process.head()).lists) == [2, 3]
    assert await process.service.list_token(0, NOW, process.snapshot) is None


async def test_a_list_with_one_live_family_stays(process: Process) -> None:
    await process.user()
    await process.session()
    await begun(process, 2)
    assert await dropped(process, NOW + 1) == 1
    assert sorted((await process.head()).lists) == [0, 2, 3]
    assert await dropped(process, LATER + 1) == 1
    assert sorted((await process.head()).lists) == [2, 3]


async def test_the_list_that_is_filled_and_its_spare_never_leave(process: Process) -> None:
    assert await dropped(process, LATER * 2) == 0
    assert sorted((await process.head()).lists) == [0, 1]


async def test_an_end_in_a_list_that_left_changes_nothing_published(process: Process) -> None:
    await process.user()
    node = await process.session()
    await begun(process, 2)
    assert await dropped(process, LATER + 1) == 2
    process.lists._permutations.clear()
    before = await process.head()
    assert await process.end(ByUser("u_alice")) == 1
    assert (await process.head()).lists == before.lists
    assert not await process.is_live(node)


async def test_the_order_of_ends_is_let_go_and_the_ends_are_kept(process: Process) -> None:
    await process.user()
    node = await process.session()
    await process.end(ByUser("u_alice"))
    await process.db.run(bound_once, AGE())
    assert await sweeper(process).purge(NOW - 3600) == 2
    assert await sweeper(process).purge(NOW - 3600) == 0
    fresh = await Process.start(process.db)
    assert await fresh.is_published_as_ended(node)


async def test_the_bits_of_a_list_that_left_are_let_go(process: Process) -> None:
    await process.user()
    await process.session()
    await process.end(ByUser("u_alice"))
    await begun(process, 2)
    assert await dropped(process, NOW + 1) == 2
    await sweeper(process).purge(NOW + 1)
    left = await process.db.one(COUNT())
    assert left is not None
    assert left["n"] == 2  # the marks of the lists that stay


async def test_families_that_are_over_are_forgotten_and_live_ones_and_the_newest_row_stay(
    process: Process,
) -> None:
    await process.user()
    over, live = [await process.session() for _ in range(3)], await process.session()
    for node in over:
        await process.end(ByNode(node.id))
    newest = await process.session()
    await process.end(ByNode(newest.id))
    await NODES.delete_all(process.db, before=NOW)
    assert await kept(process) == [*(node.idx for node in over), live.idx, newest.idx]
    await NODES.delete_all(process.db, before=NOW + 1)
    assert await kept(process) == [live.idx, newest.idx]
    assert (await process.session()).idx == newest.idx + 1
    assert await process.is_published_as_ended(over[0])


async def test_a_turn_of_the_sweeper_does_all_of_it_when_its_time_has_come(process: Process) -> None:
    whole = sweeper(process)
    await process.user()
    node = await process.session()
    await process.end(ByNode(node.id))
    await begun(process, 2)
    await whole.turn(NOW + 599)
    assert sorted((await process.head()).lists) == [0, 1, 2, 3]
    await whole.turn(NOW + 601)
    assert sorted((await process.head()).lists) == [2, 3]
    assert node.idx in await kept(process)
    await whole.turn(NOW + 86_401)
    assert node.idx not in await kept(process)


async def test_what_is_over_is_forgotten_though_the_look_for_lists_takes_too_long(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sweeper(process)
    await process.user()
    node = await process.session()
    await process.end(ByNode(node.id))
    await process.session()
    await process.db.run(bound_once, AGE())
    read_apart, late = process.db.read_apart, StorageUnavailableError("statement timeout")

    async def apart(bound: Bound) -> Sequence[Row]:
        if bound.statement is SELECT_FINISHED:
            raise late
        return await read_apart(bound)

    monkeypatch.setattr(process.db, "read_apart", apart)
    with pytest.raises(StorageUnavailableError) as told:
        await whole.turn(NOW + 86_401)
    assert told.value is late
    assert node.idx not in await kept(process)
    assert await whole.purge(NOW - 3600) == 0, "the order of ends was let go as well"


async def kept(process: Process) -> list[int]:
    return [row["idx"] for row in await process.db.read(IN_ORDER())]
