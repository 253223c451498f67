"""`admit backup` and `admit restore`: what they say, and with which exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]


def test_a_backup_is_told_in_one_line_and_in_json(admit: Admit, tmp_path: Path) -> None:
    assert admit("key", "list").exit_code == 0  # the key file and the database are used
    done = admit("backup", "kept.db")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Backed up to kept.db: 2 users, ")
    assert "Keep the key file too, and apart." in done.stdout
    told = json.loads(admit("backup", str(tmp_path / "also.db"), "--json").stdout)
    assert (told["users"], told["file"]) == (2, str(tmp_path / "also.db"))
    assert told["bytes"] == (tmp_path / "also.db").stat().st_size
    again = admit("backup", "kept.db")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "admit: kept.db is there already, and is not written over: name another file\n"


def test_a_restore_says_who_signs_in_again_and_where_the_old_one_is(admit: Admit, tmp_path: Path) -> None:
    assert admit("backup", "kept.db").exit_code == 0
    assert admit("user", "disable", "bo@example.com").exit_code == 0
    done = admit("restore", "kept.db")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Restored the backup of 20")
    assert lines[0].endswith("UTC: 2 users. Everybody signs in again.")
    assert "is kept as" in lines[1]
    assert Path(lines[1].split("is kept as ")[1].rstrip(".")).exists()
    assert lines[2].startswith("Keys that were revoked and users that were disabled since")
    assert done.stderr == "  next: admit serve\n"
    users = json.loads(admit("user", "list", "--json").stdout)
    assert [one["email"] for one in users if one["state"] == "disabled"] == ["bo@example.com"]
    (tmp_path / "admit.db").unlink()
    told = json.loads(admit("restore", "kept.db", "--json").stdout)
    assert (told["users"], told["replaced_kept_as"], told["revocations_carried_over"]) == (2, None, False)


def test_what_is_no_backup_is_exit_code_2_and_one_line(admit: Admit, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"x" * 10_000)
    for name in ("junk", "none.db", "admit.db"):
        done = admit("restore", name)
        assert (done.exit_code, done.stdout) == (2, ""), done.output
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr
    assert admit("user", "list").exit_code == 0


def test_a_lost_database_is_said_and_the_way_back_named(admit: Admit, tmp_path: Path) -> None:
    assert admit("user", "list").exit_code == 0
    assert admit("backup", "kept.db").exit_code == 0
    (tmp_path / "admit.db").unlink()
    done = admit("user", "list")
    assert done.exit_code == 2
    assert "is gone, and there was one" in done.stderr
    assert "`admit restore`" in done.stderr
    assert not (tmp_path / "admit.db").exists()
    assert admit("restore", "kept.db").exit_code == 0
    assert admit("user", "list").exit_code == 0


def test_a_damaged_backup_is_told_as_one_and_not_answered_with_restore(admit: Admit, tmp_path: Path) -> None:
    assert admit("user", "list").exit_code == 0
    assert admit("backup", "kept.db").exit_code == 0
    octets = (tmp_path / "kept.db").read_bytes()
    (tmp_path / "cut.db").write_bytes(octets[: len(octets) // 2])
    done = admit("restore", "cut.db")
    assert done.exit_code == 2
    assert done.stderr.startswith("admit: backup cut.db is empty or damaged: take another one")
    assert "admit restore" not in done.stderr
    assert admit("user", "list").exit_code == 0
