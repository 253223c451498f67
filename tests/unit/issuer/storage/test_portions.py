"""What is over is deleted some rows at a time: all of it, nothing else, and nobody waits for long."""

import asyncio
from itertools import pairwise

import pytest
from sqlalchemy import Column, Double, LargeBinary, MetaData, Table, Text, bindparam, text

from admit.issuer.storage import Database, Many, Row, Statement, Steps, bound_once
from admit.issuer.storage.pace import Pace
from admit.issuer.storage.portions import Portions, look, portion
from tests.fixtures.storage import OpenAgain

pytestmark = pytest.mark.slow

_METADATA = MetaData()
THINGS = Table("thing", _METADATA, Column("id", LargeBinary, primary_key=True), Column("at", Double))
NAMED = Table("named", _METADATA, Column("id", Text, primary_key=True), Column("at", Double))
BEFORE = bindparam("before", type_=Double)


async def make(db: Database, table: Table, count: int) -> None:
    kind = {"sqlite": "BLOB", "postgresql": "bytea"}[db.dialect] if table is THINGS else "text"
    put = Statement(table.insert().values(id=bindparam("id"), at=bindparam("at")))

    def fill() -> Steps[None]:
        yield Statement(text(f"CREATE TABLE {table.name} (id {kind} PRIMARY KEY, at double precision)"))()
        names = [f"{(n * 7919) % count:05}" for n in range(count)]
        yield Many(
            put,
            [
                {"id": name.encode() if table is THINGS else name, "at": float(n % 10)}
                for n, name in enumerate(names)
            ],
        )

    await db.run(fill)


async def left(db: Database, table: Table) -> dict[float, int]:
    rows = await db.read(Statement(text(f"SELECT at, count(*) AS n FROM {table.name} GROUP BY at"))())
    return {row["at"]: row["n"] for row in rows}


@pytest.mark.parametrize("table", [THINGS, NAMED], ids=lambda table: table.name)
async def test_all_that_is_over_is_deleted_and_nothing_else(db: Database, table: Table) -> None:
    await make(db, table, 120)
    await Portions(table, table.c.at < BEFORE, looked_at=10).delete_all(db, before=1.0)
    assert await left(db, table) == {float(n): 12 for n in range(1, 10)}
    assert Pace().rows < 108, "more is found at a time than is deleted at a time"
    await Portions(table, table.c.at < BEFORE, looked_at=1000).delete_all(db, before=100.0)
    assert await left(db, table) == {}


async def test_no_transaction_looks_at_more_than_its_portion_and_others_come_in_between(db: Database) -> None:
    await make(db, NAMED, 100)
    portions = Portions(NAMED, NAMED.c.at < BEFORE, looked_at=10)
    count = Statement(text("SELECT count(*) AS n FROM named"))
    left = [100]
    walk = asyncio.ensure_future(portions.delete_all(db, before=100.0))
    while not walk.done():
        left.append((await db.run(bound_once, count()))[0]["n"])
    assert await walk == 100
    sizes = [before - now for before, now in pairwise(left) if before != now]
    assert sum(sizes) == 100
    assert len(sizes) > 1, "others come in between"
    assert all(size % 10 == 0 for size in sizes)


async def test_rows_that_come_while_it_walks_stay_and_a_stopped_walk_leaves_the_rest(db: Database) -> None:
    await make(db, NAMED, 60)
    portions = Portions(NAMED, NAMED.c.at < BEFORE, looked_at=5)
    walk = asyncio.ensure_future(portions.delete_all(db, before=5.0))
    put = Statement(NAMED.insert().values(id=bindparam("id"), at=bindparam("at")))

    def add(n: int) -> Steps[list[Row]]:
        yield put(id=f"new{n}", at=9.0)
        return []

    for n in range(10):
        await db.run(add, n)
    await walk
    assert await left(db, NAMED) == {5.0: 6, 6.0: 6, 7.0: 6, 8.0: 6, 9.0: 16}
    walk = asyncio.ensure_future(portions.delete_all(db, before=9.0))
    await asyncio.sleep(0)
    walk.cancel()
    await asyncio.wait([walk])
    assert (await left(db, NAMED))[9.0] == 16


async def test_of_all_sweeps_one_has_its_turn_at_a_time_and_nobody_else_waits_for_it(db: Database) -> None:
    running, most, said = 0, 0, asyncio.Event()

    async def work() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await said.wait()
        running -= 1
        return running

    looks = [asyncio.ensure_future(look(db, Pace(), 1, work)) for _ in range(3)]
    written = Statement(text("SELECT 1 AS n"))
    assert (await db.run(bound_once, written()))[0]["n"] == 1
    assert not any(one.done() for one in looks)
    said.set()
    assert await asyncio.gather(*looks) == [0, 0, 0]
    assert most == 1


async def test_a_portion_tells_its_own_time_and_not_that_of_its_waiting(db: Database) -> None:
    taken: list[tuple[int, float]] = []

    class Told(Pace):
        def took(self, rows: int, seconds: float) -> float:
            taken.append((rows, seconds))
            return 0.0

    def slow() -> Steps[str]:
        yield Statement(text("SELECT 1 AS n"))()
        clock[0] += 2.0
        return "done"

    clock = [100.0]
    async with db.sweeping:
        waiting = asyncio.ensure_future(portion(db, Told(), 7, slow, clock=lambda: clock[0]))
        await asyncio.sleep(0)
        clock[0] += 50.0
    assert await waiting == "done"
    assert taken == [(7, 2.0)]


async def test_a_portion_that_fails_lets_the_next_sweep_have_its_turn(db: Database) -> None:
    def refused() -> Steps[None]:
        yield Statement(text("SELECT 1 AS n"))()
        raise LookupError

    with pytest.raises(LookupError):
        await portion(db, Pace(), 1, refused)
    await make(db, NAMED, 20)
    assert await Portions(NAMED, NAMED.c.at < BEFORE, looked_at=5).delete_all(db, before=100.0) == 20


async def test_what_was_renewed_since_it_was_found_stays(db: Database) -> None:
    await make(db, NAMED, 20)
    portions = Portions(NAMED, NAMED.c.at < BEFORE, looked_at=50)
    last, keys = await portions.walk.look(db, Pace(), portions.walk.first, before=5.0)
    assert (len(keys), await portions.walk.look(db, Pace(), last, before=5.0)) == (10, (None, ()))
    renew = Statement(NAMED.update().where(NAMED.c.id == bindparam("of")).values(at=9.0))
    await db.run(bound_once, renew(of=keys[3]))
    await db.run(portions.delete, keys[0], keys[5], before=5.0)
    assert sum((await left(db, NAMED)).values()) == 20 - 5
    assert (await left(db, NAMED))[9.0] == 3


async def test_two_that_sweep_at_once_take_nothing_but_what_is_over(
    db: Database, open_again: OpenAgain
) -> None:
    await make(db, NAMED, 60)
    portions = Portions(NAMED, NAMED.c.at < BEFORE, looked_at=7)
    await asyncio.gather(*(portions.delete_all(node, before=5.0) for node in (db, await open_again())))
    assert await left(db, NAMED) == {float(n): 6 for n in range(5, 10)}
