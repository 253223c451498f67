"""What holds for every command: help, settings, exit codes, no colour in a pipe."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admit.cli import main
from admit.issuer.storage import mark

Admit = Callable[..., Result]
COMMANDS = [
    [], ["serve"], ["migrate"], ["user"], ["user", "add"], ["user", "list"], ["user", "disable"], ["user", "enable"],
    ["user", "sign-out"], ["user", "role"], ["user", "role", "add"], ["user", "role", "remove"], ["user", "group"],
    ["user", "group", "add"], ["user", "group", "remove"], ["session"], ["session", "list"], ["session", "end"],
    ["grant"], ["grant", "list"], ["grant", "end"], ["client"], ["client", "end"],
    ["key"], ["key", "list"], ["key", "rotate"], ["key", "revoke"], ["epoch"], ["epoch", "raise"],
    ["token"], ["token", "inspect"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "admit")
def test_each_command_has_help_that_says_more_than_its_name(command: list[str]) -> None:
    for option in ("--help", "-h"):
        done = CliRunner().invoke(main, [*command, option])
        assert done.exit_code == 0
        assert done.stdout.startswith("Usage:")
        assert len(done.stdout.split("Options:")[0].split()) > 8
        assert "\x1b" not in done.stdout
        assert max(len(line) for line in done.stdout.splitlines()) <= 120


def test_the_list_of_commands_says_what_each_command_says_of_itself() -> None:
    told = CliRunner().invoke(main, ["--help"]).stdout
    for name in (
        "serve",
        "migrate",
        "user",
        "session",
        "grant",
        "client",
        "resource",
        "key",
        "epoch",
        "doctor",
        "explain",
        "token",
    ):
        own = CliRunner().invoke(main, [name, "--help"]).stdout.splitlines()[2].strip()
        assert re.search(rf"^  {name} +{re.escape(own)}$", told, re.MULTILINE), name


def test_every_option_is_explained() -> None:
    for command in COMMANDS:
        told = CliRunner().invoke(main, [*command, "--help"]).stdout.partition("Options:")[2]
        for line in told.splitlines():
            if bare := re.match(r"  (-\S.*)$", line):
                assert re.search(r"\S {2,}\S", bare[1]) or len(bare[1]) > 20, f"{command}: {bare[1]}"


def test_what_is_typed_wrong_is_exit_code_2() -> None:
    for arguments in (
        ["usr"],
        ["user"],
        ["user", "lst"],
        ["user", "role", "add", "ada@example.com"],
        ["session", "end"],
        ["session", "end", "a", "b"],
        ["grant", "list", "--all"],
        ["client", "end"],
        ["user", "add"],
        ["key", "revoke"],
        ["serve", "--port", "1"],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 2, arguments
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('issuer = "http://localhost:1"', ["issuer", "--dev"]),
        ('issuer = "http://id.example.com"\ndev = true', ["issuer", "loopback", "https"]),
        ('issuer = "http://10.0.0.7:8410"\ndev = true', ["issuer", "loopback", "https"]),
        ('issuer = "https://id.example.com"\ndev = true', ["dev"]),
        ('issuer = "https://id.example.com/"', ["issuer", "slash"]),
        ('issuer = "https://id.example.com"\nisuer = "x"', ["isuer", "no such setting"]),
        ('issuer = "https://id.example.com"\n[sessions]\nidl = "1h"', ["sessions.idl", "no such setting"]),
        ('issuer = "https://id.example.com"\n[sessions]\nidle = 3600', ["sessions.idle", "8h"]),
        ('issuer = "https://id.example.com"\n[sessions]\nidle = "60d"', ["sessions.idle", "absolute"]),
        ('issuer = "https://id.example.com"\n[oauth]\naccess_token_ttl = "1d"', ["access_token_ttl", "10 min"]),
        ('issuer = "https://id.example.com"\nlisten = "8410"', ["listen", "host:port"]),
        ('issuer = "https://id.example.com"\ndatabase = "mysql://x"', ["database", "postgresql://"]),
        ('issuer = "https://id.example.com"\n[[client]]\nid = "x"', ["client", "name"]),
        ("issuer = ", ["TOML"]),
        ("", ["issuer", "--dev"]),
    ],
)  # fmt: skip
@pytest.mark.threat("INF-defaults")
def test_settings_that_cannot_work_are_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    Path("admit.toml").write_text(text)
    done = CliRunner().invoke(main, ["serve"])
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("admit: ")
    for word in words:
        assert word in line
    assert not list(tmp_path.rglob("*.db"))


def test_a_settings_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["user", "list", "--config", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert done.stderr == f"admit: settings file {tmp_path}/none.toml does not exist\n"


def test_the_environment_goes_before_the_file_and_a_flag_before_both(
    admit: Admit, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ada@example.com" in admit("user", "list").stdout
    monkeypatch.setenv("ADMIT_DATABASE", f"sqlite:///{tmp_path}/other.db")
    assert admit("user", "list").stdout == "No accounts yet.\n"
    whole = f"sqlite:///{tmp_path}/admit.db"
    assert "ada@example.com" in admit("user", "list", "--database", whole).stdout
    monkeypatch.setenv("ADMIT_DATABSE", "x")
    done = admit("user", "list")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "databse" in done.stderr


def test_an_older_copy_is_taken_up_by_one_raise_though_the_clock_was_set_back(
    admit: Admit, tmp_path: Path
) -> None:
    """Above what was written down of the newer one: else it would be refused as older at each start."""
    assert admit("key", "list").exit_code == 0
    [place] = tmp_path.glob(f"*{mark.SUFFIX}")
    path = place.with_name(place.name.removesuffix(mark.SUFFIX))
    kept = mark.read(path)
    assert kept is not None
    mark.write(path, replace(kept, epoch=kept.epoch + 10**9))
    assert admit("key", "list").exit_code != 0
    assert json.loads(admit("epoch", "raise", "--json").stdout)["epoch"] > kept.epoch + 10**9
    assert admit("key", "list").exit_code == 0


def test_after_a_restore_the_epoch_is_raised(admit: Admit) -> None:
    first = admit("epoch", "raise", "--json")
    assert first.exit_code == 0, first.stderr
    said = admit("epoch", "raise")
    assert said.exit_code == 0
    told = re.fullmatch(r"The epoch is (\d+) now\. Everybody signs in again\.\n", said.stdout)
    assert told is not None
    assert int(told[1]) > json.loads(first.stdout)["epoch"]
    assert json.loads(first.stdout)["kept_older_families"] is False
    kept = admit("epoch", "raise", "--keep-older-families")
    assert kept.stdout.endswith(" now. Older sessions live on.\n")


def test_looking_at_tokens_and_help_need_no_server_parts() -> None:
    program = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from admit.cli import main\n"
        "CliRunner().invoke(main, ['--help'])\n"
        "CliRunner().invoke(main, ['token', 'inspect'], input='x')\n"
        "print(*sorted({'sqlalchemy', 'asyncpg', 'uvicorn', 'starlette', 'argon2'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")
