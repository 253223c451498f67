"""`admit user import`: accounts of another system from the command line."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from admit.errors import StorageUnavailableError
from admit.issuer.accounts.foreign.schemes import Pbkdf2
from admit.issuer.accounts.importing import Importer

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]
HASH = Pbkdf2.of(
    "sha256", 100, b"salty salt", hashlib.pbkdf2_hmac("sha256", b"a good long one", b"salty salt", 100)
).encode()


def lines(*people: dict[str, Any]) -> str:
    return "".join(json.dumps(person) + "\n" for person in people)


def listed(admit: Admit) -> dict[str, dict[str, Any]]:
    done = admit("user", "list", "--json")
    return {one["email"]: one for one in json.loads(done.stdout)}


def test_a_file_of_json_lines_is_imported_and_told_in_one_line(admit: Admit, tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(
        lines({"email": "cy@example.com", "name": "Cy", "roles": ["admin"], "password_hash": HASH},
              {"email": "di@example.com", "disabled": True})
    )  # fmt: skip
    dry = admit("user", "import", str(path), "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "Would make 2 accounts (1 without a password).\n")
    assert "cy@example.com" not in listed(admit)
    done = admit("user", "import", str(path))
    assert (done.exit_code, done.stdout) == (0, "Made 2 accounts (1 without a password).\n")
    found = listed(admit)
    assert found["cy@example.com"]["roles"] == ["admin"]
    assert found["di@example.com"]["state"] == "disabled"
    again = admit("user", "import", str(path))
    assert (again.exit_code, again.stdout) == (0, "Made 0 accounts, left 2 that are there as they were.\n")
    updated = admit("user", "import", str(path), "--update")
    assert updated.exit_code == 0, updated.output


def test_csv_comes_by_standard_input_and_lines_that_are_refused_are_told_by_number(admit: Admit) -> None:
    text = f"email,name,password_hash\ncy@example.com,Cy,{HASH}\nnot-an-address,Secret Name,{HASH}\n"
    text += "ed@example.com,Ed,md5$salt$0123456789abcdef\nfi@example.com,Fi,\n"
    done = admit("user", "import", "-", stdin=text)
    assert done.exit_code == 1
    assert done.stdout == "Made 2 accounts (1 without a password), refused 2 lines.\n"
    told = done.stderr.splitlines()
    assert told[0] == "line 3: email: not an address that is taken"
    assert told[1].startswith("line 4: password_hash: the password hash is of a kind that is guessed")
    assert told[2] == "  next: admit user import -"
    for value in ("not-an-address", "Secret Name", "0123456789abcdef", HASH):
        assert value not in done.output
    assert {"cy@example.com", "fi@example.com"} <= listed(admit).keys()


def test_json_has_the_counts_and_the_lines(admit: Admit) -> None:
    done = admit("user", "import", "-", "--json", stdin=lines({"email": "cy@example.com"}, {"email": "x"}))
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "dry_run": False, "made": 1, "updated": 0, "skipped": 0, "refused": 1, "without_password": 1,
        "lines": [{"line": 2, "why": "email: not an address that is taken"}],
    }  # fmt: skip
    assert done.stderr == ""


@pytest.mark.threat("ADM-delegate", off="admit.issuer.accounts.importing.rows:check_roles")
def test_a_file_gives_nobody_the_role_of_an_operator(admit: Admit) -> None:
    done = admit("user", "import", "-", stdin=lines({"email": "cy@example.com", "roles": ["admit:admin"]}))
    assert done.exit_code == 1
    assert "admit user role add" in done.stderr
    assert "cy@example.com" not in listed(admit)


@pytest.mark.parametrize(
    ("arguments", "stdin", "word"),
    [
        (("nowhere.jsonl",), "", "No such file"),
        (("-", "--firebase", "nowhere.json"), "", "cannot be read"),
        (("-",), "email,passwort\ncy@example.com,x\n", "the first line must name the fields"),
    ],
    ids=["file", "firebase", "header"],
)
def test_a_file_that_cannot_be_understood_is_one_line(
    admit: Admit, arguments: tuple[str, ...], stdin: str, word: str
) -> None:
    done = admit("user", "import", *arguments, stdin=stdin)
    assert done.exit_code in (2, 4)
    assert word in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.output


def test_nothing_in_a_file_is_nothing_made(admit: Admit) -> None:
    done = admit("user", "import", "-", stdin="")
    assert (done.exit_code, done.stdout) == (0, "Made 0 accounts.\n")


def test_an_import_that_is_cut_short_says_how_far_it_came_and_is_begun_again(
    admit: Admit, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = lines(*({"email": f"u{n}@example.com"} for n in range(250)))
    with monkeypatch.context() as patch:
        whole = Importer._write

        async def once(self: Importer, *arguments: Any) -> None:
            if self.summary.made:
                raise StorageUnavailableError("gone")
            await whole(self, *arguments)

        patch.setattr(Importer, "_write", once)
        cut = admit("user", "import", "-", stdin=text)
    assert cut.exit_code == 4
    assert cut.stdout == "Cut short. Made 200 accounts (200 without a password).\n"
    assert "  next: admit user import -\n" in cut.stderr
    again = admit("user", "import", "-", stdin=text)
    assert again.stdout == "Made 50 accounts (50 without a password), left 200 that are there as they were.\n"
