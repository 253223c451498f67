"""A full disk, no rights, a file in another process's hands: refused and said, healed or left as it was."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer import KeysConfig
from admit.issuer.app.backup import back_up, restore
from admit.issuer.storage import Database, Keyring
from tests.fixtures import nursery
from tests.fixtures.issuer import settings_for
from tests.system.apps import limited_store

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PROGRAM = str(Path(limited_store.__file__))
NOBODY = limited_store.NOBODY
NOW = 1_800_000_000.0
WITHIN = 30.0


@pytest.fixture
def place(sqlite_url: str, tmp_path: Path) -> Iterator[Path]:
    """A database in a folder that anybody can come to, as far as its own rights let them."""
    folder = Path("/tmp") / f"admit-limits-{os.getpid()}-{time.monotonic_ns()}"  # pytest's own are private
    folder.mkdir(mode=0o755)
    shutil.copyfile(sqlite_url.removeprefix("sqlite:///"), folder / "admit.db")
    try:
        yield folder / "admit.db"
    finally:
        shutil.rmtree(folder)


@contextmanager
def process(limit: str, path: Path, keys: Path) -> Iterator[tuple[nursery.Forked, Path]]:
    out = path.with_name(f"said-{limit}")
    reading, writing = os.pipe()
    with open(out, "wb") as said:
        child = nursery.spawn(PROGRAM, [limit, str(path), str(keys)], (reading, said.fileno(), said.fileno()))
    os.close(reading)
    try:
        yield child, out
    finally:
        os.close(writing)
        child.wait(WITHIN)


def said(limit: str, path: Path, keys: Path) -> dict[str, Any]:
    """What it says when it has ended by itself."""
    with process(limit, path, keys) as (child, out):
        assert child.wait(WITHIN) == 0, out.read_text()
    told: dict[str, Any] = json.loads(out.read_text())
    return told


def until_open(out: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while "open" not in out.read_text():
        assert time.monotonic() < deadline, "the other process did not open it"
        time.sleep(0.005)


async def test_a_full_disk_keeps_what_was_acknowledged_refuses_the_rest_and_heals(
    place: Path, key_file: Path, keyring: Keyring
) -> None:
    told = said("full", place, key_file)
    assert told["refused"] == ["StorageUnavailableError"]
    assert 5 <= told["during"] < 40, "some found room, some none"
    assert told["readable"] == 1
    assert "n99" in told["kept"]
    assert told["count"] == len(told["kept"])
    db = Database.from_url(f"sqlite:///{place}", keyring)
    await db.open()
    assert (await db.read(limited_store.COUNT()))[0]["n"] == len(told["kept"])
    await db.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root takes rights from itself")
@pytest.mark.parametrize(
    ("file", "folder", "told"),
    [
        (0o444, 0o777, "cannot be written: check its permissions"),
        (0o666, 0o755, "its folder cannot be written"),
        (0o600, 0o777, "cannot be read"),
    ],
    ids=["read-only file", "read-only folder", "another's file"],
)
def test_what_may_not_be_written_is_refused_in_one_line(
    place: Path, key_file: Path, file: int, folder: int, told: str
) -> None:
    place.chmod(file)
    place.parent.chmod(folder)
    before = place.read_bytes()
    answer = said("as-nobody", place, key_file)
    assert answer["error"] == "ConfigError"
    assert told in answer["told"]
    assert "\n" not in answer["told"]
    assert place.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_may_be_written_is_served(place: Path, key_file: Path) -> None:
    for name in (place, place.parent):
        os.chown(name, NOBODY, NOBODY)
    assert said("as-nobody", place, key_file) == {"open": True}


async def test_a_database_that_is_served_is_not_replaced_and_one_that_is_not_is(
    place: Path, key_file: Path
) -> None:
    settings = settings_for(f"sqlite:///{place}", keys=KeysConfig(file=str(key_file)))
    source = (await back_up(settings, place.with_name("copy.db"), now=NOW)).path
    with process("held", place, key_file) as (_, out):
        await asyncio.to_thread(until_open, out)
        inode = place.stat().st_ino
        with pytest.raises(ConfigError, match="is in use: stop every process"):
            await restore(settings, source, now=NOW)
        assert place.stat().st_ino == inode
        assert not list(place.parent.glob("*.replaced-*"))
        await back_up(settings, place.with_name("while-held.db"), now=NOW)
    made = await restore(settings, source, now=NOW)
    assert made.aside is not None


def test_two_deployments_on_one_file_and_a_process_of_the_same_one(
    place: Path, key_file: Path, tmp_path: Path
) -> None:
    """The same deployment's second process is welcome; another's is told whose file it is."""
    other = tmp_path / "other.json"
    Keyring.create(other)
    with process("held", place, key_file) as (_, out):
        until_open(out)
        place.with_name("said-held").rename(place.with_name("said-first"))
        answer = said("as-other", place, other)
        assert answer["error"] == "ConfigError"
        assert "keys.file is not the one" in answer["told"]
        assert said("as-same", place, key_file) == {"open": True}
