"""docs/import-users.md says what the code does: its files are imported by its commands, its tables are the code's."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admit.cli import main
from admit.issuer.accounts import foreign
from admit.issuer.accounts.foreign import bounds
from admit.issuer.accounts.importing.rows import FIELDS
from tests.fixtures import pages
from tests.fixtures.processes import furnished_sqlite_url, settings_toml, write_key_file

PAGE = pages.DOCS / "import-users.md"
TEXT = PAGE.read_text("utf-8")
VECTORS = json.loads((pages.DOCS.parent / "tests/vectors/passwords/hashes.json").read_text("utf-8"))
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```", re.S | re.M)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)

Run = Callable[..., Result]


def realm() -> str:
    """A realm export with what the page's program reads."""
    users = [
        {
            "email": f"kc{number}@example.com", "firstName": "Kay", "lastName": "Cee", "enabled": True,
            "emailVerified": True, "groups": ["/the staff"],
            "credentials": [{"type": "password", **{name: case[name] for name in ("credentialData", "secretData")}}],
        }
        for number, case in enumerate(VECTORS["keycloak"])
    ]  # fmt: skip
    return json.dumps({"realm": "r", "users": users})


def users() -> str:
    """An export of Firebase's users."""
    case = VECTORS["firebase"]
    one = {"localId": "x", "email": "fb@example.com", "emailVerified": True, "displayName": "Fi Base"}
    return json.dumps({"users": [{**one, "passwordHash": case["passwordHash"], "salt": case["salt"]}]})


@pytest.mark.slow
def test_the_commands_run_in_order_on_the_files_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toml = settings_toml(
        issuer="http://localhost:8410", dev=True, database=furnished_sqlite_url(tmp_path), data=str(tmp_path),
        **{"keys.file": str(write_key_file(tmp_path))},
    )  # fmt: skip
    Path("admit.toml").write_text(toml)
    Path("realm.json").write_text(realm())
    Path("users.json").write_text(users())
    for name, text in _FILE.findall(TEXT):
        Path(name).write_text(text.replace("ada@example.com", "ada2@example.com").replace("bo@", "bo2@"))
    printed = ""
    for command in "".join(_COMMANDS.findall(TEXT)).splitlines():
        program, *arguments = command.split()
        if program == "python":
            script, _, given, _, kept = arguments
            octets = Path(given).read_bytes()
            made = subprocess.run(
                [sys.executable, "-S", script], input=octets, capture_output=True, check=True
            )
            Path(kept).write_bytes(made.stdout)
            continue
        done = CliRunner().invoke(main, arguments, prog_name=program)
        assert done.exit_code == 0, f"{command}: {done.output}"
        printed += done.stdout
    assert "Would make 3 accounts (1 without a password)." in printed
    assert "Made 2 accounts (1 without a password)." in printed
    assert "left 3 that are there as they were" in printed
    assert f"Made {len(VECTORS['keycloak'])} accounts." in printed
    assert "Made 1 account." in printed


def test_the_fields_on_the_page_are_the_codes() -> None:
    part = TEXT.split("\n## Fields\n")[1].split("\n## ")[0]
    told = set(re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| (`.*?) \|", part, re.M))))
    assert told == set(FIELDS)


def test_the_bounds_on_the_page_are_the_codes() -> None:
    for said in (
        f"| bcrypt | cost {bounds.BCRYPT_COST} |",
        f"| PBKDF2 | {bounds.PBKDF2_ITERATIONS:,} iterations |",
        f"| scrypt | N·r·p = {bounds.SCRYPT_WORK:,}, and {bounds.MEMORY >> 20} MiB; r·p = {bounds.SCRYPT_BLOCKS:,} |",
        f"| Argon2 | {bounds.ARGON2_WORK:,} KiB times passes, {bounds.ARGON2_LANES} lanes, "
        f"and {bounds.MEMORY >> 20} MiB; {bounds.ARGON2_STEPS:,} passes times lanes |",
    ):
        assert said in TEXT


def test_every_beginning_on_the_page_is_one_that_is_read() -> None:
    part = TEXT.split("\n## Hashes\n")[1].split("\n\n**bcrypt")[0]
    begins = [text.split("…")[0] for text in re.findall(r"`([^`]*\$[^`]*|\w+:\w*:?…)`", part)]
    assert len(begins) >= 15
    for begin in begins:
        with pytest.raises(foreign.MalformedHashError):
            foreign.read(begin + "x$y$z")


def test_the_page_opens_with_the_price() -> None:
    assert TEXT.split("\n\n")[1].startswith("**The price first.**")
