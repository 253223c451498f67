"""A SQLite file is made whole, recognised before it is touched, and never replaced by an empty one."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.storage import Database, Keyring, Statement, StorageConfig
from admit.issuer.storage.schema import VERSION_TABLE

pytestmark = pytest.mark.slow


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


async def refusal(path: Path, keyring: Keyring, config: StorageConfig | None = None) -> str:
    """The one line that `open` refuses with; the file is as it was."""
    before = path.read_bytes() if path.is_file() else None
    db = Database.from_url(f"sqlite:///{path}", keyring, config)
    try:
        with pytest.raises(ConfigError) as caught:
            await db.open()
    finally:
        await db.close()
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    return str(caught.value)


async def test_a_new_file_is_private_complete_and_leaves_no_draft(tmp_path: Path, keyring: Keyring) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    db = Database.from_url(f"sqlite:///{folder}/admit.db", keyring)
    await db.open()
    await db.close()
    assert sorted(os.listdir(folder)) == ["admit.db", "admit.db-mark"]
    assert (folder / "admit.db").stat().st_mode & 0o777 == 0o600


async def test_of_many_nodes_that_start_at_once_on_nothing_all_end_on_the_same_file(
    tmp_path: Path, keyring: Keyring
) -> None:
    databases = [Database.from_url(f"sqlite:///{tmp_path}/new.db", keyring) for _ in range(6)]
    await asyncio.gather(*(db.open() for db in databases))
    heads = [
        await db.read(Statement(text("SELECT epoch, (SELECT value FROM meta) AS m FROM status_head"))())
        for db in databases
    ]
    for db in databases:
        await db.close()
    assert len({(rows[0]["epoch"], rows[0]["m"]) for rows in heads}) == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:50],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"x" * len(raw),
        lambda raw: raw[:100] + b"\xff" * 4_000 + raw[4_100:],
        lambda raw: raw[:8_192] + os.urandom(len(raw) - 8_192),
        lambda raw: b"-- a dump\nCREATE TABLE x (y);\n",
    ],
)
async def test_a_damaged_file_is_refused_and_left_as_it_is(
    path: Path, keyring: Keyring, damage: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(damage(path.read_bytes()))
    assert "damaged" in await refusal(path, keyring)


async def test_another_programs_database_is_refused(tmp_path: Path, keyring: Keyring) -> None:
    foreign = tmp_path / "foreign.db"
    sql(foreign, "CREATE TABLE user (id)")
    assert "another program" in await refusal(foreign, keyring)


async def test_a_lost_file_with_its_log_still_there_is_refused(path: Path, keyring: Keyring) -> None:
    path.rename(f"{path}-wal")
    assert "-wal" in await refusal(path, keyring)
    assert not path.exists()


async def test_a_newer_schema_is_refused(path: Path, keyring: Keyring) -> None:
    sql(path, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    assert "newer Admit" in await refusal(path, keyring)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE session",
        f"DROP TABLE {VERSION_TABLE}",
        f"DELETE FROM {VERSION_TABLE}",
        f"INSERT INTO {VERSION_TABLE} VALUES ('0002')",
    ],
)
async def test_a_half_migrated_schema_is_refused(path: Path, keyring: Keyring, change: str) -> None:
    sql(path, change)
    assert "half-migrated" in await refusal(path, keyring)


async def test_an_unknown_older_schema_is_refused(path: Path, keyring: Keyring) -> None:
    sql(path, f"UPDATE {VERSION_TABLE} SET version_num = '0000'")
    assert "does not know" in await refusal(path, keyring)


async def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path, keyring: Keyring) -> None:
    assert "cannot be read" in await refusal(tmp_path, keyring)
    assert "folder does not exist" in await refusal(tmp_path / "none" / "admit.db", keyring)


async def test_a_restored_copy_opens_with_its_rows(path: Path, keyring: Keyring, tmp_path: Path) -> None:
    sql(path, "INSERT INTO meta VALUES ('mine', '1')")
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    db = Database.from_url(f"sqlite:///{copy}", keyring)
    await db.open()
    row = await db.one(Statement(text("SELECT value FROM meta WHERE key = 'mine'"))())
    await db.close()
    assert row is not None


async def test_a_file_that_another_process_holds_is_unavailable_not_damaged(
    path: Path, keyring: Keyring
) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("INSERT INTO meta VALUES ('held', '1')")
    db = Database.from_url(
        f"sqlite:///{path}", keyring, StorageConfig(busy_timeout=timedelta(milliseconds=50))
    )
    try:
        with pytest.raises(StorageUnavailableError):
            await db.open()
        holder.execute("COMMIT")
        holder.close()
        await db.open()
    finally:
        await db.close()


def test_a_process_killed_while_it_writes_loses_nothing_that_it_was_told_is_kept(
    path: Path, tmp_path: Path, keyring: Keyring
) -> None:
    keys = tmp_path / "keys.json"
    Keyring.create(keys)
    fresh = tmp_path / "fresh.db"
    program = f"""
import asyncio, sys
from sqlalchemy import text
from admit.issuer.storage import Database, Keyring, Statement, bound_once
put = Statement(text("INSERT INTO meta VALUES (:key, '')"))
async def run():
    db = Database.from_url("sqlite:///{fresh}", Keyring.load({str(keys)!r}))
    await db.open()
    n = 0
    while True:
        await asyncio.gather(*(db.run(bound_once, put(key=f"{{n}}.{{m}}")) for m in range(5)))
        print(n, flush=True)
        n += 1
asyncio.run(run())
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(20)]
    child.kill()
    told += child.stdout.readlines()
    child.stdout.close()
    child.wait()
    count = len([line for line in told if line.endswith("\n")])

    async def kept() -> int:
        db = Database.from_url(f"sqlite:///{fresh}", Keyring.load(keys))
        await db.open()
        rows = await db.read(Statement(text("SELECT count(*) AS n FROM meta WHERE key LIKE '%.%'"))())
        await db.close()
        return int(rows[0]["n"])

    assert asyncio.run(kept()) >= count * 5 >= 100
