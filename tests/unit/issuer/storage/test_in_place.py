"""A SQLite file that is replaced or removed under a running process: nothing that would be lost is acknowledged."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from admit.errors import AdmitError, StorageUnavailableError
from admit.issuer.storage import Database, Keyring, Statement, bound_once
from admit.issuer.storage.sqlite import SqliteDatabase

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
PUT = Statement(text("INSERT INTO meta VALUES (:key, '')"))
MINE = Statement(text("SELECT key FROM meta WHERE key LIKE 'n%' ORDER BY key"))


async def put(db: Database, key: str) -> None:
    await db.run(bound_once, PUT(key=key))


async def keys(db: Database) -> list[str]:
    return [row["key"] for row in await db.read(MINE())]


@pytest.mark.threat("O-3", off="admit.issuer.storage.sqlite_file:check_in_place")
async def test_what_is_written_after_the_file_was_replaced_is_not_acknowledged(
    db: SqliteDatabase, keyring: Keyring, tmp_path: Path, database_url: str
) -> None:
    await put(db, "n1")
    aside, other = tmp_path / "aside.db", tmp_path / "other.db"
    shutil.copyfile(db.path, other)
    os.rename(db.path, aside)
    os.rename(other, db.path)
    acknowledged = []
    for key in ("n2", "n3"):
        with suppress(AdmitError):
            await put(db, key)
            acknowledged.append(key)
    assert not acknowledged
    db._see_to_place()
    with pytest.raises(StorageUnavailableError):
        await db.read(MINE())
    await db.close()
    again = Database.from_url(database_url, keyring)
    await again.open()
    found = await keys(again)
    await again.close()
    assert found == ["n1"]


async def test_a_file_that_is_removed_and_put_back_serves_on(db: SqliteDatabase, tmp_path: Path) -> None:
    await put(db, "n1")
    os.rename(db.path, tmp_path / "aside.db")
    with pytest.raises(StorageUnavailableError, match="gone"):
        await put(db, "n2")
    db._see_to_place()
    os.rename(tmp_path / "aside.db", db.path)
    db._see_to_place()
    await put(db, "n3")
    assert await keys(db) == ["n1", "n3"]


async def test_it_is_said_once_and_with_the_files_name(
    db: SqliteDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.rename(db.path, tmp_path / "aside.db")
    for _ in range(3):
        db._see_to_place()
    assert caplog.text.count("was replaced or removed while in use") == 1
