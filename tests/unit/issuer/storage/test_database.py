"""Transactions and reads, the same on both databases."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import bindparam, column, insert, literal_column, select, table, text, update

from admit.errors import AdmitError, ConfigError, ConflictError, StorageUnavailableError
from admit.issuer.storage import (
    PUBLISH,
    Database,
    Keyring,
    Many,
    Row,
    Statement,
    Steps,
    StorageConfig,
    Unless,
    any_of,
    bound_once,
    insert_or_ignore,
    sqlite_file,
    tx_id,
    upsert,
)
from admit.issuer.storage.schema import meta
from tests.fixtures.storage import OpenAgain

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


CHANGE_OF_THIS = Statement(
    insert(
        table("status_change", column("tx"), column("list"), column("position")),
    ).values(tx=tx_id(), list=0, position=bindparam("position"))
)
HEAD = Statement(text("SELECT epoch, seq FROM status_head"))
BATCHES = Statement(
    text(
        "SELECT b.seq AS seq, b.at AS at, c.position AS position FROM status_batch b"
        " JOIN status_head h ON h.epoch = b.epoch LEFT JOIN status_change c ON c.tx = b.tx ORDER BY b.seq, c.position"
    )
)


def change(position: int, *, publish: bool = True, fail: bool = False) -> Steps[None]:
    yield CHANGE_OF_THIS(position=position)
    if publish:
        yield PUBLISH
    if fail:
        raise KeyError(position)


async def test_a_transaction_that_published_raises_the_head_and_ties_its_changes_to_it(db: Database) -> None:
    before = await db.one(HEAD())
    assert before is not None
    assert before["seq"] == 0
    assert before["epoch"] > 1_700_000_000
    await db.run(change, 7)
    await db.run(change, 9)
    rows = await db.read(BATCHES())
    assert [(row["seq"], row["position"]) for row in rows] == [(1, 7), (2, 9)]
    assert abs(rows[0]["at"] - before["epoch"]) < 86_400


async def test_a_transaction_that_failed_or_changed_no_bit_leaves_the_head(db: Database) -> None:
    await db.run(put, "a", "1")
    with pytest.raises(KeyError):
        await db.run(change, 7, fail=True)
    row = await db.one(HEAD())
    assert row is not None
    assert row["seq"] == 0
    assert await db.read(BATCHES()) == []


async def test_parallel_publishers_get_a_number_each_without_a_gap(open_again: OpenAgain) -> None:
    databases = [await open_again(), await open_again()]
    jobs = [databases[n % 2].run(change, n, fail=n % 7 == 0) for n in range(60)]
    await asyncio.gather(*jobs, return_exceptions=True)
    rows = await databases[0].read(BATCHES())
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["position"] for row in rows} == {n for n in range(60) if n % 7}


async def test_a_cancelled_caller_leaves_all_or_nothing_and_the_database_usable(db: Database) -> None:
    def both(n: int) -> Steps[None]:
        yield INSERT(key=f"first{n}", value="")
        yield INSERT(key=f"second{n}", value="")

    for n in range(30):
        task = asyncio.ensure_future(db.run(both, n))
        for _ in range(n % 10):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await db.run(put, "last", "1")
    await db.close()
    await db.open()
    kept = {row["key"] for row in await db.read(Statement(text("SELECT key FROM meta"))())}
    assert "last" in kept
    assert {key[5:] for key in kept if key.startswith("first")} == {
        key[6:] for key in kept if key.startswith("second")
    }


async def test_close_lets_begun_transactions_end_and_then_refuses(db: Database) -> None:
    tasks = [asyncio.ensure_future(db.run(put, f"k{n}", "")) for n in range(20)]
    await asyncio.sleep(0)
    await db.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    done = sum(not isinstance(result, BaseException) for result in results)
    assert all(isinstance(result, str | StorageUnavailableError) for result in results)
    for attempt in (db.run(put, "late", ""), db.read(READ(key="late"))):
        with pytest.raises(StorageUnavailableError):
            await attempt
    await db.close()
    await db.open()
    rows = await db.read(READ_ALL(keys=[f"k{n}" for n in range(20)]))
    assert len(rows) == done


async def test_our_own_mistake_in_sql_is_no_outage_and_quotes_no_value(db: Database) -> None:
    wrong = Statement(select(column("nonsense")).select_from(meta).where(meta.c.key == bindparam("key")))
    for attempt in (db.read(wrong(key="s3cret")), db.run(bound_once, wrong(key="s3cret"))):
        with pytest.raises(AdmitError) as caught:
            await attempt
        assert not isinstance(caught.value, StorageUnavailableError)
        assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)
    assert "s3cret" not in repr(wrong(key="s3cret"))


async def test_a_conflict_quotes_no_value(db: Database) -> None:
    await db.run(put, "s3cret", "1")
    with pytest.raises(ConflictError) as caught:
        await db.run(put, "s3cret", "1")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_a_job_that_takes_a_row_shared_and_one_that_ends_it_do_not_cross(open_again: OpenAgain) -> None:
    """The pattern of families: issuing locks the row FOR SHARE where it is alive, an end writes it."""
    databases = [await open_again(), await open_again()]
    await databases[0].run(put, "alive", "yes")
    lock = Statement(
        select(meta.c.key).where(meta.c.key == "alive", meta.c.value == "yes").with_for_update(read=True)
    )
    end = Statement(update(meta).where(meta.c.key == "alive").values(value="no"))
    count = Statement(text("SELECT count(*) AS n FROM meta WHERE value = 'child'"))

    def issue(n: int) -> Steps[bool]:
        rows = yield lock()
        if not rows:
            return False
        yield INSERT(key=f"child{n}", value="child")
        return True

    def finish() -> Steps[int]:
        yield end()
        rows = yield count()
        return int(rows[0]["n"])

    jobs = [databases[n % 2].run(issue, n) for n in range(20)]
    issued, seen = await asyncio.gather(asyncio.gather(*jobs), databases[1].run(finish))
    rows = await databases[0].read(count())
    assert rows[0]["n"] == sum(issued) == seen


@pytest.mark.parametrize(
    "url",
    ["", "mysql://x/y", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?mode=ro", "admit.db"],
)
def test_a_url_that_names_no_database_we_know_is_refused(url: str, keyring: Keyring) -> None:
    with pytest.raises(ConfigError) as caught:
        Database.from_url(url, keyring)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["pool_size", "group_limit"])
def test_storage_settings_that_cannot_work_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        StorageConfig(**{name: 0})  # type: ignore[arg-type]  # ints
    with pytest.raises(ConfigError, match="busy_timeout"):
        StorageConfig(busy_timeout=timedelta(0))


WRITE_FOLDED = Statement(
    select(literal_column("1"))
    .where(literal_column("1 = 0"))
    .add_cte(meta.insert().values(key="folded", value="folded").cte("written"))
)


def put_unless(key: str, folded: bool) -> Steps[list[str]]:
    """`then` and `then too`, where `key` is not there."""
    then = [INSERT(key="then", value=""), INSERT(key="then too", value="")]
    rows = yield Unless(READ(key=key), then, WRITE_FOLDED() if folded else None)
    return [row["key"] for row in rows]


async def test_what_depends_on_finding_nothing_is_done_when_nothing_is_found(db: Database) -> None:
    assert await db.run(put_unless, "a", folded=False) == []
    assert [row["key"] for row in await db.read(READ_ALL(keys=["then", "then too"]))] == ["then", "then too"]


async def test_what_depends_on_finding_nothing_is_left_where_something_is_found(db: Database) -> None:
    await db.run(put, "a", value="")
    assert await db.run(put_unless, "a", folded=False) == ["a"]
    assert await db.read(READ_ALL(keys=["then", "then too"])) == []


async def test_postgresql_takes_the_folded_statement_alone_and_sqlite_each_of_them(db: Database) -> None:
    assert await db.run(put_unless, "a", folded=True) == []
    written = [row["key"] for row in await db.read(READ_ALL(keys=["folded", "then"]))]
    assert written == (["folded"] if db.dialect == "postgresql" else ["then"])


def is_open(connection: sqlite3.Connection) -> bool:
    with contextlib.suppress(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
        return True
    return False


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_read_apart_in_turn_opens_one_connection_and_leaves_none(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite_file.connect

    def told(path: Path, busy_timeout: float) -> sqlite3.Connection:
        opened.append(connect(path, busy_timeout))
        return opened[-1]

    monkeypatch.setattr(sqlite_file, "connect", told)
    await db.run(put, "k", "1")
    for _ in range(3):
        assert [row["value"] for row in await db.read_apart(READ(key="k"))] == ["1"]
    assert len(opened) == 1
    await db.run(put, "l", "2")
    assert len(await db.read_apart(READ(key="l"))) == 1, "it sees what was committed since"
    with pytest.raises(AdmitError):
        await db.read_apart(Statement(text("SELECT nothing FROM nowhere"))())
    await asyncio.gather(*(db.read_apart(READ(key="k")) for _ in range(4)))
    assert sum(is_open(one) for one in opened) == 1, "the others are not kept for the next crowd"
    await db.close()
    for one in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            one.execute("SELECT 1")
    with pytest.raises(StorageUnavailableError):
        await db.read_apart(READ(key="k"))
