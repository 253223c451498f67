"""`admit user`: accounts from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from admit.cli import output

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]
GOOD = "correct horse battery"


def add(admit: Admit, email: str = "cy@example.com", *more: str, stdin: str = GOOD + "\n") -> Result:
    return admit("user", "add", email, "--name", "Cy", "--password-stdin", *more, stdin=stdin)


def listed(admit: Admit) -> dict[str, dict[str, Any]]:
    done = admit("user", "list", "--json")
    assert done.exit_code == 0, done.stderr
    return {one["email"]: one for one in json.loads(done.stdout)}


def test_an_added_user_is_listed_with_roles_and_groups(admit: Admit) -> None:
    done = add(admit, "cy@example.com", "--role", "admin", "--role", "clerk", "--group", "ops")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Added cy@example.com as u_")
    assert done.stderr == "  next: admit user list\n"
    cy = listed(admit)["cy@example.com"]
    assert (cy["roles"], cy["groups"], cy["state"]) == (["admin", "clerk"], ["ops"], "active")


def test_a_table_in_a_pipe_has_one_line_a_user_and_no_colour(admit: Admit) -> None:
    done = admit("user", "list")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["EMAIL", "ada@example.com", "bo@example.com"]
    assert lines[1].split()[1:4] == ["Ada", "admin", "active"]
    assert "\x1b" not in done.output
    assert [line.split()[0] for line in admit("user", "list", "--limit", "1").stdout.splitlines()] == [
        "EMAIL",
        "ada@example.com",
    ]


def test_claims_are_set_and_taken_away_and_a_wrong_one_changes_nothing(admit: Admit) -> None:
    done = admit(
        "user", "set", "ada@example.com", "given_name=Ada", "address.country=UK", "locale=en", "nickname=A=B"
    )
    assert (done.exit_code, done.stdout) == (0, "Changed ada@example.com.\n"), done.stderr
    done = admit("user", "set", "ada@example.com", "given_name=", "phone_number=+1 425 555 1212", "--json")
    claims = {
        "address": {"country": "UK"}, "nickname": "A=B", "phone_number": "+14255551212", "phone_number_verified": False,
    }  # fmt: skip
    assert json.loads(done.stdout)["claims"] == claims
    for wrong, word in (
        ("birthdate=1990-02-30", "birthdate: not a value for it"), ("email=x@example.com", "known claims"),
        ("given_name", "NAME=VALUE"), ("phone_number_verified=yes", "true or false"), ("locale=no tag", "locale"),
        ("name=", "name"), ("address.planet=Mars", "known claims"),
    ):  # fmt: skip
        done = admit("user", "set", "ada@example.com", "middle_name=X", wrong)
        assert done.exit_code not in (0, 1), wrong
        assert word in done.stderr
        assert wrong.partition("=")[2] not in done.stderr or not wrong.partition("=")[2]
    assert admit("user", "set", "ada@example.com", "gender=a", "gender=b").exit_code == output.USAGE
    listed_as = listed(admit)["ada@example.com"]
    assert (listed_as["claims"], listed_as["locale"]) == (claims, "en")


@pytest.mark.threat("INF-log", off="admit.cli.user:typed")
@pytest.mark.parametrize(
    "email", ["a|reboot|b@example.com", "`reboot`@example.com", "--config=/x@example.com"]
)
def test_what_is_shown_to_be_copied_is_nobodys_choice(admit: Admit, email: str) -> None:
    made = admit("user", "add", "--name", "Cy", "--password-stdin", "--json", "--", email, stdin=GOOD + "\n")
    id = json.loads(made.stdout)["id"]
    assert admit("user", "disable", id).stderr == f"  next: admit user enable {id}\n"


def test_an_address_is_quoted_where_the_next_page_is_asked_for(admit: Admit) -> None:
    assert add(admit, "`reboot`@example.com").exit_code == 0
    said = admit("user", "list", "--limit", "1").stderr
    assert said == "  next: admit user list --after='`reboot`@example.com'\n"


def test_json_of_an_added_user_has_no_password_and_no_hash(admit: Admit) -> None:
    done = add(admit, "cy@example.com", "--json")
    told = json.loads(done.stdout)
    assert set(told) == {
        "id", "email", "name", "locale", "claims", "roles", "groups", "state", "created_at",
    }  # fmt: skip
    assert done.stderr == ""
    assert GOOD not in done.output
    assert "argon2" not in done.output


@pytest.mark.threat("O-2")
def test_a_password_is_never_taken_as_an_argument(admit: Admit) -> None:
    for option in ("--password", "-p"):
        done = admit("user", "add", "cy@example.com", "--name", "Cy", option, GOOD)
        assert done.exit_code == 2
        assert "No such option" in done.stderr
    assert admit("user", "add", "cy@example.com", GOOD, "--name", "Cy").exit_code == 2
    assert "cy@example.com" not in listed(admit)


def test_without_a_terminal_it_asks_for_password_stdin(admit: Admit) -> None:
    done = admit("user", "add", "cy@example.com", "--name", "Cy", stdin=GOOD + "\n")
    assert done.exit_code == 2
    assert done.stderr == "admit: no terminal to ask for a password on: use --password-stdin\n"
    assert "cy@example.com" not in listed(admit)


def test_on_a_terminal_the_password_is_typed_twice_and_not_shown(
    admit: Admit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    arguments = ("user", "add", "cy@example.com", "--name", "Cy")
    # Two that differ are asked for again, and the end of input is no password.
    assert admit(*arguments, stdin=f"{GOOD}\nanother one\n").exit_code == 1
    assert "cy@example.com" not in listed(admit)
    done = admit(*arguments, stdin=f"{GOOD}\n{GOOD}\n")
    assert done.exit_code == 0, done.output
    assert GOOD not in done.output
    assert "cy@example.com" in listed(admit)


def test_a_password_that_is_no_text_is_one_line(admit: Admit) -> None:
    done = admit(
        "user", "add", "cy@example.com", "--name", "Cy", "--password-stdin", stdin=b"\xff\xfe\xff pass\n"
    )
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "admit: standard input is not UTF-8 text\n"
    assert "cy@example.com" not in listed(admit)


@pytest.mark.parametrize(
    ("email", "stdin", "word"),
    [
        ("cy@example.com", "", "no password"),
        ("cy@example.com", "short\n", "password"),
        ("cy@example.com", "\n", "password"),
        ("cy@example.com", "x" * 2000 + "\n", "password"),
        ("not an address", GOOD + "\n", "email"),
        ("ADA@example.com", GOOD + "\n", "already"),
    ],
    ids=["none", "short", "empty", "long", "email", "taken"],
)
def test_what_cannot_be_an_account_is_one_line_and_exit_code_2(
    admit: Admit, email: str, stdin: str, word: str
) -> None:
    before = listed(admit)
    done = add(admit, email, stdin=stdin)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert word in done.stderr.lower()
    assert listed(admit) == before


def test_disabled_by_email_or_id_and_enabled_again(admit: Admit) -> None:
    done = admit("user", "disable", "Bo@Example.com")
    assert (done.exit_code, done.stdout) == (0, "Disabled bo@example.com; ended 0 sessions and grants.\n")
    bo = listed(admit)["bo@example.com"]
    assert bo["state"] == "disabled"
    told = json.loads(admit("user", "enable", bo["id"], "--json").stdout)
    assert told == {"id": bo["id"], "email": "bo@example.com", "disabled": False}
    assert listed(admit)["bo@example.com"]["state"] == "active"
    told = json.loads(admit("user", "disable", bo["id"], "--json").stdout)
    assert told == {
        "id": bo["id"], "email": "bo@example.com", "disabled": True, "ended": 0,
        "refused_within": 30.0,
    }  # fmt: skip


def test_a_removed_user_is_gone_and_only_on_a_plain_word(admit: Admit) -> None:
    add(admit, "di@example.com")
    asked = admit("user", "remove", "di@example.com")
    assert (asked.exit_code, "di@example.com" in listed(admit)) == (2, True)
    assert "--yes" in asked.stderr
    done = admit("user", "remove", "di@example.com", "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Removed di@example.com; ended 0 sessions")
    assert "di@example.com" not in listed(admit)
    assert admit("user", "remove", "di@example.com", "--yes").exit_code == 3
    assert add(admit, "di@example.com").exit_code == 0


@pytest.mark.parametrize("command", ["disable", "enable"])
@pytest.mark.parametrize("who", ["nobody@example.com", "u_0000000000000000000000", "' OR 1=1 --"])
def test_a_user_that_is_not_there_is_exit_code_3(admit: Admit, command: str, who: str) -> None:
    done = admit("user", command, who)
    assert done.exit_code == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(one["state"] == "active" for one in listed(admit).values())


def test_the_next_command_is_told_with_the_settings_of_this_one_but_never_with_a_password(
    admit: Admit, config: Path
) -> None:
    named = config.with_name("other settings.toml")
    config.rename(named)
    done = admit("user", "disable", "bo@example.com", "--config", str(named), "--dev")
    assert done.stderr == f"  next: admit user enable bo@example.com --config '{named}' --dev\n"
    astray = admit("user", "list")
    assert astray.exit_code == 2
    assert "--config" in astray.stderr
    assert len(astray.stderr.splitlines()) == 1


def test_a_database_that_may_hold_a_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(click, "echo", lambda line, **_: said.append(line))
    with click.Context(click.Command("x")):
        output.note_settings(config=None, database="postgresql://ada:secret@localhost/admit", dev=False)
        output.done("Done.", then="admit user list")
        output.note_settings(config=None, database="sqlite:///a b.db", dev=False)
        output.done("Done.", then="admit user list")
    assert said[1] == "  next: admit user list"
    assert said[3] == "  next: admit user list --database 'sqlite:///a b.db'"
