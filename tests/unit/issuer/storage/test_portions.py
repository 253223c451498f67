"""What is over is deleted some rows at a time: all of it, nothing else, and nobody waits for long."""

import asyncio

import pytest
from sqlalchemy import Column, Double, LargeBinary, MetaData, Table, Text, bindparam, text

from admit.issuer.storage import Database, Many, Row, Statement, Steps, bound_once
from admit.issuer.storage.portions import Portions

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
    await Portions(table, table.c.at < BEFORE, looked_at=10).delete_all(db, before=4.0)
    assert await left(db, table) == {float(n): 12 for n in range(4, 10)}
    await Portions(table, table.c.at < BEFORE, looked_at=1000).delete_all(db, before=100.0)
    assert await left(db, table) == {}


async def test_no_transaction_looks_at_more_than_its_portion_and_others_come_in_between(db: Database) -> None:
    await make(db, NAMED, 100)
    portions = Portions(NAMED, NAMED.c.at < BEFORE, looked_at=10)
    count = Statement(text("SELECT count(*) AS n FROM named"))
    between: list[int] = []
    sizes: list[int] = []
    after: object = None

    async def watch() -> None:
        rows = await db.run(bound_once, count())
        between.append(rows[0]["n"])

    while True:
        before = (await db.read(count()))[0]["n"]
        after = await db.run(portions.portion, after, before=100.0)
        sizes.append(before - (await db.read(count()))[0]["n"])
        await watch()
        if after is None:
            break
    assert max(sizes) == 10
    assert sum(sizes) == 100
    assert between == sorted(between, reverse=True)


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
