"""The writer's thread: groups, faults, several processes."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from admit.errors import ConflictError, StorageUnavailableError
from admit.issuer.storage import Database, Keyring, Statement, Steps, StorageConfig, bound_once

pytestmark = pytest.mark.slow

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PUT = Statement(text("INSERT INTO meta VALUES (:key, :value)"))
COUNT = Statement(text("SELECT count(*) AS n FROM meta WHERE key LIKE 'n%'"))


async def count(db: Database) -> int:
    rows = await db.read(COUNT())
    return int(rows[0]["n"])


@sqlite_only
async def test_jobs_that_wait_share_a_commit(db: Database) -> None:
    gate = threading.Event()

    def hold() -> Steps[None]:
        assert gate.wait(10)
        yield PUT(key="held", value="")

    holding = asyncio.ensure_future(db.run(hold))
    await asyncio.sleep(0)
    traced: list[str] = []
    connection: Any = db._writer._connection  # type: ignore[attr-defined]  # SQLite's own
    connection.set_trace_callback(traced.append)
    jobs = [asyncio.ensure_future(db.run(bound_once, PUT(key=f"n{n}", value=""))) for n in range(40)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(holding, *jobs)
    connection.set_trace_callback(None)
    assert await count(db) == 40
    assert traced.count("COMMIT") <= 2


@sqlite_only
async def test_a_job_whose_caller_left_before_it_began_is_not_run(db: Database) -> None:
    gate, begun = threading.Event(), threading.Event()

    def hold() -> Steps[None]:
        begun.set()
        assert gate.wait(10)
        yield PUT(key="held", value="")

    holding = asyncio.ensure_future(db.run(hold))
    left = asyncio.ensure_future(db.run(bound_once, PUT(key="n1", value="")))
    assert await asyncio.to_thread(begun.wait, 10)
    left.cancel()
    await asyncio.wait([left])
    gate.set()
    await holding
    assert await count(db) == 0


@sqlite_only
async def test_a_full_disk_is_unavailable_keeps_what_was_kept_and_heals(db: Database) -> None:
    connection: Any = db._writer._connection  # type: ignore[attr-defined]  # SQLite's own
    await db.run(bound_once, PUT(key="n1", value=""))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    jobs = [db.run(bound_once, PUT(key=f"n{n}", value="x" * 100_000)) for n in range(2, 6)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailableError] * 4
    assert await count(db) == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    await db.run(bound_once, PUT(key="n2", value="x" * 100_000))
    assert await count(db) == 2


@sqlite_only
async def test_a_write_lock_held_elsewhere_for_too_long_is_unavailable_then_heals(
    db: Database, database_url: str, keyring: Keyring
) -> None:
    config = StorageConfig(busy_timeout=timedelta(milliseconds=30))
    other = Database.from_url(database_url, keyring, config)
    await other.open()
    gate, begun = threading.Event(), threading.Event()

    def hold() -> Steps[None]:
        yield PUT(key="held", value="")
        begun.set()
        assert gate.wait(10)

    holding = asyncio.ensure_future(db.run(hold))
    assert await asyncio.to_thread(begun.wait, 10)
    with pytest.raises(StorageUnavailableError, match="BUSY"):
        await other.run(bound_once, PUT(key="n1", value=""))
    assert await count(other) == 0, "readers do not wait for a writer"
    gate.set()
    await holding
    await other.run(bound_once, PUT(key="n1", value=""))
    await other.close()
    assert await count(db) == 1


@sqlite_only
async def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(StorageUnavailableError, match="READONLY"):
        await db.read(PUT(key="n1", value=""))


def test_several_processes_count_without_losing_a_step(sqlite_url: str, key_file: Path) -> None:
    program = f"""
import asyncio, sys
from sqlalchemy import text
from admit.issuer.storage import Database, Keyring, Statement
read = Statement(text("SELECT value FROM meta WHERE key = 'n'"))
make = Statement(text("INSERT INTO meta VALUES ('n', '0') ON CONFLICT DO NOTHING"))
write = Statement(text("UPDATE meta SET value = :value WHERE key = 'n'"))
def step():
    yield make()
    rows = yield read()
    yield write(value=str(int(rows[0]["value"]) + 1))
async def run():
    db = Database.from_url({sqlite_url!r}, Keyring.load({str(key_file)!r}))
    await db.open()
    await asyncio.gather(*(db.run(step) for _ in range(50)))
    await db.close()
asyncio.run(run())
"""
    children = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]

    async def counted() -> str:
        db = Database.from_url(sqlite_url, Keyring.load(key_file))
        await db.open()
        rows = await db.read(Statement(text("SELECT value FROM meta WHERE key = 'n'"))())
        await db.close()
        return str(rows[0]["value"])

    assert asyncio.run(counted()) == "150"


@sqlite_only
async def test_a_lock_held_elsewhere_is_waited_for_once_not_once_for_each_who_waits(
    database_url: str, keyring: Keyring
) -> None:
    waited = 0.2
    db = Database.from_url(database_url, keyring, StorageConfig(busy_timeout=timedelta(seconds=waited)))
    await db.open()
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop = asyncio.get_running_loop()
    began = loop.time()
    jobs = [asyncio.ensure_future(db.run(bound_once, PUT(key=f"n{n}", value=""))) for n in range(12)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert {type(result) for result in results} == {StorageUnavailableError}
    assert loop.time() - began < 4 * waited
    other.execute("ROLLBACK")
    other.close()
    await db.run(bound_once, PUT(key="n1", value=""))
    assert await count(db) == 1
    await db.close()


@sqlite_only
async def test_what_a_job_found_in_work_that_was_lost_with_its_group_is_no_answer(
    db: Database, database_url: str
) -> None:
    path = Path(database_url.removeprefix("sqlite:///"))
    gate, begun = threading.Event(), threading.Event()

    def hold() -> Steps[None]:
        begun.set()
        assert gate.wait(10)
        yield PUT(key="held", value="")

    jobs: list[asyncio.Future[Any]] = [asyncio.ensure_future(db.run(hold))]
    assert await asyncio.to_thread(begun.wait, 10)
    jobs += [asyncio.ensure_future(db.run(bound_once, PUT(key="n1", value=""))) for _ in range(2)]
    await asyncio.sleep(0)
    path.rename(path.with_suffix(".moved"))  # so that this COMMIT is refused
    gate.set()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    path.with_suffix(".moved").rename(path)
    assert [type(result) for result in results] == [StorageUnavailableError] * 3, (
        "no conflict: nothing is there"
    )
    await db.run(bound_once, PUT(key="n1", value=""))
    with pytest.raises(ConflictError):
        await db.run(bound_once, PUT(key="n1", value=""))
