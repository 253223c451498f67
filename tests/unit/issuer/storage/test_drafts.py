"""What a process that is killed at its first start leaves: taken away at the next, and nothing of anybody else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from admit.issuer.storage import drafts
from admit.issuer.storage.drafts import clear_left, draft_of
from admit.issuer.storage.sqlite_file import prepare

BUILDING = """
import sys
from pathlib import Path
from admit.issuer.storage import migrate
from admit.issuer.storage.sqlite_file import prepare

def never_done(path, current):
    print(path.parent.name, flush=True)
    sys.stdin.read()

migrate.upgrade_sqlite = never_done
prepare(Path(sys.argv[1]), 5.0)
"""


def left(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if ".new-" in name)


def test_the_draft_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "admit.db"
    child = subprocess.Popen(
        [sys.executable, "-c", BUILDING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        named = child.stdout.readline().strip()
        prepare(path, 5.0)
        assert left(tmp_path) == [named], "somebody builds there"
    finally:
        child.kill()
        child.communicate()
    assert os.listdir(tmp_path / named), "killed in the middle of it"
    prepare(path, 5.0)
    assert left(tmp_path) == []
    assert path.stat().st_size > 0


def test_a_sweep_takes_nothing_that_is_not_a_draft_of_this_database(tmp_path: Path) -> None:
    others = [".other.db.new-0123456789abcdef", ".admit.db.new-0123", ".admit.db.new-0123456789abcdeX"]
    for name in others:
        (tmp_path / name).mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "database").write_text("mine")
    (tmp_path / ".admit.db.new-00000000000000aa").symlink_to(elsewhere)
    strange = tmp_path / ".admit.db.new-00000000000000bb"
    strange.mkdir()
    (strange / "letter").write_text("not SQLite's")
    (tmp_path / ".admit.db.new-00000000000000cc").write_text("a file")
    clear_left(tmp_path / "admit.db")
    assert set(left(tmp_path)) == {
        *others,
        *(f".admit.db.new-00000000000000{end}" for end in ("aa", "bb", "cc")),
    }
    assert (elsewhere / "database").read_text() == "mine"
    assert (strange / "letter").exists()


def test_a_folder_that_is_swept_before_it_is_held_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = tmp_path / "admit.db", Path.mkdir
    taken: list[str] = []

    def mkdir(self: Path, mode: int = 0o777) -> None:
        made(self, mode)
        if not taken:
            taken.append(self.name)
            clear_left(path)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with draft_of(path) as draft:
        assert draft.exists()
        assert [draft.parent.name] == left(tmp_path)
        assert draft.parent.name not in taken
        assert draft.parent.stat().st_mode & 0o777 == 0o700
        clear_left(path)
        assert draft.exists(), "its own process sweeps it no more than another"
    assert left(tmp_path) == []
    assert drafts.LOCKS
