"""Transactions and reads, the same on both databases."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import bindparam, select, update

from admit.errors import ConflictError
from admit.issuer.storage import (
    PUBLISH,
    Database,
    Many,
    Row,
    Statement,
    Steps,
    any_of,
    insert_or_ignore,
    upsert,
)
from admit.issuer.storage.schema import meta

INSERT = Statement(meta.insert().values(key=bindparam("key"), value=bindparam("value")).returning(meta.c.key))
IGNORE = Statement(
    insert_or_ignore(meta).values(key=bindparam("key"), value=bindparam("value")).returning(meta.c.key)
)
READ = Statement(select(meta.c.key, meta.c.value).where(meta.c.key == bindparam("key")))
READ_ALL = Statement(select(meta.c.key).where(any_of(meta.c.key, "keys")).order_by(meta.c.key))
READ_AB = Statement(select(meta.c.key).where(meta.c.key.in_(["a", "b"])).order_by(meta.c.key))
ADD = Statement(
    update(meta)
    .where(meta.c.key == bindparam("key"), meta.c.value == bindparam("was"))
    .values(value=bindparam("value"))
    .returning(meta.c.value)
)
_put = upsert(meta).values(key=bindparam("key"), value=bindparam("value"))
PUT = Statement(
    _put.on_conflict_do_update(index_elements=["key"], set_={"value": _put.excluded.value}).returning(
        meta.c.value
    )
)


def put(key: str, value: str) -> Steps[str]:
    rows = yield INSERT(key=key, value=value)
    return str(rows[0]["key"])


def put_and_fail(key: str) -> Steps[None]:
    yield INSERT(key=key, value="")
    raise KeyError(key)


def put_many(keys: Sequence[str]) -> Steps[None]:
    yield Many(INSERT, [{"key": key, "value": "many"} for key in keys])


async def test_a_committed_row_is_read_at_once(db: Database) -> None:
    assert await db.run(put, "a", value="1") == "a"
    row = await db.one(READ(key="a"))
    assert row is not None
    assert row["value"] == "1"
    assert await db.one(READ(key="b")) is None


async def test_a_job_that_raises_leaves_nothing(db: Database) -> None:
    with pytest.raises(KeyError):
        await db.run(put_and_fail, "a")
    assert await db.read(READ(key="a")) == []


async def test_a_failing_job_of_a_group_rolls_back_alone(db: Database) -> None:
    jobs = [
        db.run(put_and_fail, f"bad{n}") if n % 3 == 0 else db.run(put, f"good{n}", "x") for n in range(30)
    ]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [isinstance(result, KeyError) for result in results] == [n % 3 == 0 for n in range(30)]
    kept = await db.read(READ_ALL(keys=[f"{kind}{n}" for n in range(30) for kind in ("good", "bad")]))
    assert {row["key"] for row in kept} == {f"good{n}" for n in range(30) if n % 3}


async def test_a_taken_key_is_a_conflict_and_ignored_where_that_is_asked(db: Database) -> None:
    await db.run(put, "a", "1")
    with pytest.raises(ConflictError):
        await db.run(put, "a", "2")

    def ignore() -> Steps[Sequence[Row]]:
        rows: Sequence[Row] = yield IGNORE(key="a", value="3")
        return rows

    assert await db.run(ignore) == []
    rows = await db.read(READ(key="a"))
    assert rows[0]["value"] == "1"


async def test_lists_and_many(db: Database) -> None:
    await db.run(put_many, ["a", "b", "c"])
    assert [row["key"] for row in await db.read(READ_ALL(keys=["c", "a", "zz"]))] == ["a", "c"]
    assert [row["key"] for row in await db.read(READ_AB())] == ["a", "b"]
    assert await db.read(READ_ALL(keys=[])) == []


async def test_an_upsert_is_one_statement_for_both(db: Database) -> None:
    def job(value: str) -> Steps[str]:
        rows = yield PUT(key="a", value=value)
        return str(rows[0]["value"])

    assert [await db.run(job, value) for value in "12"] == ["1", "2"]


async def test_missing_and_unknown_parameters_are_refused(db: Database) -> None:
    for bound in (READ(), READ(key="a", other=1)):
        with pytest.raises(TypeError, match="parameters"):
            await db.read(bound)


async def test_a_conditional_update_has_one_winner(db: Database) -> None:
    await db.run(put, "n", "0")

    def step() -> Steps[bool]:
        rows = yield ADD(key="n", was="0", value="1")
        return bool(rows)

    assert sum(await asyncio.gather(*(db.run(step) for _ in range(20)))) == 1


async def test_a_transaction_that_published_raises_the_head_by_one(db: Database) -> None:
    assert PUBLISH is not None
