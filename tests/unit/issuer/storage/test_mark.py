"""An older SQLite file in the place of a newer one is seen, and an empty one never takes the place of a lost one."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import bindparam, column, insert, table

from admit.errors import ConfigError
from admit.issuer.revocation import Lists
from admit.issuer.revocation.store import raise_epoch
from admit.issuer.storage import PUBLISH, Database, Keyring, Statement, Steps, mark, tx_id
from admit.issuer.storage import sqlite as sqlite_module

pytestmark = pytest.mark.slow

CHANGE = Statement(
    insert(table("status_change", column("tx"), column("list"), column("position"))).values(
        tx=tx_id(), list=0, position=bindparam("position")
    )
)


def end(position: int) -> Steps[None]:
    """What every end comes to: a bit, and its place in the order of ends."""
    yield CHANGE(position=position)
    yield PUBLISH


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


async def used(path: Path, keyring: Keyring, *ends: int, accept_older: bool = False) -> None:
    """One process's life with this database."""
    db = Database.from_url(f"sqlite:///{path}", keyring)
    await db.open(accept_older=accept_older)
    for position in ends:
        await db.run(end, position)
    await db.close()


async def refused(path: Path, keyring: Keyring) -> str:
    with pytest.raises(ConfigError) as caught:
        await used(path, keyring)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def kept(path: Path) -> mark.Mark:
    found = mark.read(path)
    assert found is not None
    return found


@pytest.mark.threat("O-3", off="admit.issuer.storage.mark:check_not_lost")
async def test_a_removed_database_is_missed_and_no_empty_one_takes_its_place(
    path: Path, keyring: Keyring
) -> None:
    await used(path, keyring, 1)
    path.unlink()
    told = await refused(path, keyring)
    assert "is gone" in told
    assert "admit restore" in told
    assert os.listdir(path.parent) == [mark.beside(path).name]
    mark.beside(path).unlink()
    await used(path, keyring, 1)  # as it says


@pytest.mark.threat("O-3", off="admit.issuer.storage.mark:check_forward")
async def test_an_older_file_in_the_place_of_a_newer_one_is_refused(
    path: Path, keyring: Keyring, tmp_path: Path
) -> None:
    await used(path, keyring, 1)
    older = shutil.copyfile(path, tmp_path / "older.db")
    newest = shutil.copyfile(path, tmp_path / "newest.db")
    await used(path, keyring, 2)
    shutil.copyfile(path, newest)
    shutil.copyfile(older, path)
    told = await refused(path, keyring)
    assert "is older than when it was last used" in told
    assert "admit epoch raise" in told
    assert path.read_bytes() == older.read_bytes()
    shutil.copyfile(newest, path)
    await used(path, keyring, 3)


async def test_an_older_file_is_taken_up_by_raising_the_epoch_and_by_nothing_less(
    path: Path, keyring: Keyring, tmp_path: Path
) -> None:
    await used(path, keyring, 1)
    older = shutil.copyfile(path, tmp_path / "older.db")
    await used(path, keyring, 2)
    shutil.copyfile(older, path)
    await used(path, keyring, accept_older=True)
    assert "older" in await refused(path, keyring), "a look at it is no decision"
    db = Database.from_url(f"sqlite:///{path}", keyring)
    await db.open(accept_older=True)
    await db.run(raise_epoch, Lists(keyring), now=kept(path).epoch + 10.0)
    await db.close()
    await used(path, keyring, 3)
    assert "older" not in repr(kept(path))


async def test_what_a_killed_process_had_not_written_down_yet_accuses_nobody(
    path: Path, keyring: Keyring, tmp_path: Path
) -> None:
    await used(path, keyring, 1)
    early = shutil.copyfile(mark.beside(path), tmp_path / "early")
    await used(path, keyring, 2, 3)
    shutil.copyfile(early, mark.beside(path))
    await used(path, keyring, 4)
    assert kept(path).seq == 4


async def test_another_database_in_its_place_is_refused_although_the_key_file_is_the_same(
    path: Path, keyring: Keyring, tmp_path: Path
) -> None:
    await used(path, keyring, 1)
    await used(tmp_path / "other.db", keyring, 1, 2, 3)
    shutil.copyfile(tmp_path / "other.db", path)
    assert "another one than was there before" in await refused(path, keyring)
    mark.beside(path).unlink()
    await used(path, keyring)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"database": 1}', b"\xff" * 9, b"[" * 4000], ids=range(6)
)
async def test_a_damaged_mark_is_no_permission(path: Path, keyring: Keyring, text: bytes) -> None:
    await used(path, keyring, 1)
    mark.beside(path).write_bytes(text)
    assert "is damaged" in await refused(path, keyring)
    mark.beside(path).unlink()
    mark.beside(path).mkdir()
    assert "cannot be read" in await refused(path, keyring)


async def test_a_mark_that_cannot_be_written_costs_sight_and_not_service(
    path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(mark, "write", full)
    await used(path, keyring, 1)
    assert "-mark cannot be written" in caplog.text
    assert not mark.beside(path).exists()


async def test_it_is_written_down_while_the_process_runs(
    path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "MARK_EVERY", 0.0)
    db = Database.from_url(f"sqlite:///{path}", keyring)
    await db.open()
    deaf = db.on_publish(lambda: None)
    await db.run(end, 1)
    for _ in range(2_000):
        if kept(path).seq:
            break
        await asyncio.sleep(0.005)
    assert kept(path).seq == 1
    assert mark.beside(path).stat().st_mode & 0o777 == 0o600
    deaf()
    await db.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_roots_commands_leave_a_mark_that_the_service_can_read(path: Path, keyring: Keyring) -> None:
    os.chown(path, 65_534, 65_534)
    await used(path, keyring, 1)
    about = mark.beside(path).stat()
    assert (about.st_uid, about.st_gid) == (65_534, 65_534)
