"""A damaged SQLite log or file: what opens is a committed moment, and one that lost something known says so."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from admit.errors import AdmitError, ConfigError
from admit.issuer.storage import Database, Keyring, Many, Statement, Steps, mark
from admit.issuer.storage.sqlite import SqliteDatabase
from tests.unit.issuer.storage.test_mark import end

pytestmark = pytest.mark.slow

COMMITS = 40
WIDE = 3  # rows of one commit
PUT = Statement(text("INSERT INTO meta VALUES (:key, :value)"))
READ = Statement(text("SELECT key, value FROM meta WHERE key LIKE 'n%' ORDER BY key"))
Rounds = Callable[..., range]


def commit(n: int) -> Steps[None]:
    yield Many(PUT, [{"key": f"n{n:03}.{m}", "value": "x" * 300} for m in range(WIDE)])
    yield from end(n)


@pytest.fixture(scope="module")
def left_by_a_crash(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keyring]:
    """The files as a process that was killed leaves them, and how far it had written down that it came."""
    folder, keyring = tmp_path_factory.mktemp("crash"), Keyring.generate()

    async def build() -> None:
        with tempfile.TemporaryDirectory() as living:
            db = SqliteDatabase(
                Path(living) / "admit.db", keyring, Database.from_url("sqlite:///x", keyring).config
            )
            await db.open()
            for n in range(COMMITS):
                await db.run(commit, n)
            mark.write(db.path, await db._how_far())
            for name in os.listdir(living):
                shutil.copyfile(Path(living) / name, folder / name)
            await db.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, build()).result(60)
    assert (folder / "admit.db-wal").stat().st_size > 100_000
    return folder, keyring


async def found_in(path: Path, keyring: Keyring) -> list[str]:
    db = Database.from_url(f"sqlite:///{path}", keyring)
    await db.open()
    try:
        return [row["key"] for row in await db.read(READ())]
    finally:
        await db.close()


async def found_or_refused(path: Path, keyring: Keyring) -> list[str] | None:
    """None: refused, in one line."""
    outcome = (await asyncio.gather(found_in(path, keyring), return_exceptions=True))[0]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, AdmitError), repr(outcome)
        assert "\n" not in str(outcome)
        return None
    return outcome


def damage(raw: bytearray, rng: Random) -> bytearray:
    """Cut off, one bit another, or a stretch of zeros as a disk leaves them that lost its power."""
    at = rng.randrange(len(raw))
    match rng.randrange(3):
        case 0:
            return raw[:at]
        case 1:
            raw[at] ^= 1 << rng.randrange(8)
        case _:
            length = min(rng.choice([512, 4096, 65_536]), len(raw) - at)
            raw[at : at + length] = bytes(length)
    return raw


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to / "admit.db"


async def test_the_undamaged_files_have_every_commit(
    left_by_a_crash: tuple[Path, Keyring], tmp_path: Path
) -> None:
    folder, keyring = left_by_a_crash
    assert len(await found_in(copied(folder, tmp_path / "whole"), keyring)) == COMMITS * WIDE


async def test_a_torn_log_leaves_the_first_commits_whole_and_in_order(
    left_by_a_crash: tuple[Path, Keyring], tmp_path: Path, rounds: Rounds, rng: Random
) -> None:
    folder, keyring = left_by_a_crash
    expected = [f"n{n:03}.{m}" for n in range(COMMITS) for m in range(WIDE)]
    seen = set()
    for _ in rounds(test=8, soak=2000):
        path = copied(folder, tmp_path / "torn")
        mark.beside(path).unlink()
        for suffix in ("-wal", "-shm"):
            torn = path.with_name(path.name + suffix)
            if suffix == "-wal" or rng.random() < 0.3:
                torn.write_bytes(damage(bytearray(torn.read_bytes()), rng))
        found = await found_or_refused(path, keyring)
        if found is None:
            continue
        assert len(found) % WIDE == 0
        assert found == expected[: len(found)]
        seen.add(len(found))
    assert seen


@pytest.mark.threat("O-3", off="admit.issuer.storage.mark:check_forward")
async def test_a_log_that_lost_ends_which_were_written_down_is_refused(
    left_by_a_crash: tuple[Path, Keyring], tmp_path: Path, rounds: Rounds, rng: Random
) -> None:
    folder, keyring = left_by_a_crash
    told: list[str] = []
    for _ in rounds(test=3, soak=500):
        path = copied(folder, tmp_path / "torn")
        log = path.with_name(path.name + "-wal")
        raw = log.read_bytes()
        log.write_bytes(raw[: rng.randrange(len(raw) * 9 // 10)])
        with pytest.raises(ConfigError) as caught:
            await found_in(path, keyring)
        told.append(str(caught.value))
    assert any("older than when it was last used" in one for one in told)


async def test_damaged_pages_are_refused_in_one_line_or_read_and_never_replaced_by_an_empty_store(
    left_by_a_crash: tuple[Path, Keyring], tmp_path: Path, rounds: Rounds, rng: Random
) -> None:
    folder, keyring = left_by_a_crash
    whole = copied(folder, tmp_path / "whole")
    await found_in(whole, keyring)  # takes the log in
    for _ in rounds(test=5, soak=2000):
        path = copied(tmp_path / "whole", tmp_path / "damaged")
        path.write_bytes(bytes(damage(bytearray(path.read_bytes()), rng)))
        before = path.stat().st_ino
        found = await found_or_refused(path, keyring)
        assert found is None or len(found) <= COMMITS * WIDE
        assert path.stat().st_ino == before
