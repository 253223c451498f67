"""`admit key`: signing keys from the command line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]


def listed(admit: Admit) -> list[dict[str, Any]]:
    done = admit("key", "list", "--json")
    assert done.exit_code == 0, done.stderr
    keys: list[dict[str, Any]] = json.loads(done.stdout)
    return keys


def test_listed_with_purpose_algorithm_and_state_and_nothing_private(admit: Admit) -> None:
    keys = listed(admit)
    assert sorted((one["for"], one["alg"], one["state"]) for one in keys) == [
        ("status", "ES256", "active"),
        ("token", "ES256", "active"),
        ("token", "RS256", "active"),
    ]
    assert {name for one in keys for name in one} == {"kid", "for", "alg", "state", "active_from"}
    done = admit("key", "list")
    assert done.stdout.splitlines()[0].split() == ["KID", "FOR", "ALG", "STATE", "ACTIVE", "FROM"]
    assert len(done.stdout.splitlines()) == 1 + len(keys)
    assert "\x1b" not in done.output


def test_a_rotation_makes_the_next_key_and_leaves_the_active_one_until_all_know_it(admit: Admit) -> None:
    before = listed(admit)
    done = admit("key", "rotate", "--json")
    assert done.exit_code == 0, done.stderr
    following = json.loads(done.stdout)
    assert (following["alg"], following["for"], following["state"]) == ("ES256", "token", "next")
    ahead = datetime.fromisoformat(following["active_from"]) - datetime.now(UTC)
    assert timedelta(hours=23) < ahead <= timedelta(hours=25)
    after = {one["kid"]: one for one in listed(admit)}
    assert all(after[one["kid"]]["state"] == "active" for one in before)
    assert len(after) == len(before) + 1
    # Asked again, it is the same key: a rotation under way is not begun twice.
    again = json.loads(admit("key", "rotate", "--json").stdout)
    assert again["kid"] == following["kid"]
    said = admit("key", "rotate", "--alg", "RS256")
    assert said.exit_code == 0
    assert "(RS256) is next, active from" in said.stdout
    assert said.stderr == "  next: admit key list\n"


def test_an_algorithm_or_purpose_that_has_no_key_is_refused(admit: Admit) -> None:
    before = listed(admit)
    for arguments in (
        ("--alg", "none"),
        ("--alg", "HS256"),
        ("--for", "refresh"),
        ("--for", "status", "--alg", "RS256"),
    ):
        done = admit("key", "rotate", *arguments)
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output
        assert done.stdout == ""
    assert listed(admit) == before


@pytest.mark.threat("INF-keys")
def test_a_revoked_key_is_listed_as_such_and_another_takes_over(admit: Admit) -> None:
    stolen = next(one for one in listed(admit) if one["for"] == "token" and one["alg"] == "ES256")
    done = admit("key", "revoke", stolen["kid"])
    assert (done.exit_code, done.stdout) == (
        0,
        f"Revoked {stolen['kid']}. APIs refuse what it signed within 30 s.\n",
    ), done.stderr
    keys = {one["kid"]: one for one in listed(admit)}
    assert keys[stolen["kid"]]["state"] == "revoked"
    assert admit("key", "revoke", stolen["kid"]).exit_code == 3
    assert admit("key", "rotate").exit_code == 0
    assert any(
        one["alg"] == "ES256" and one["for"] == "token" and one["state"] == "active" for one in listed(admit)
    )


def test_a_key_that_is_not_there_is_exit_code_3(admit: Admit) -> None:
    before = listed(admit)
    done = admit("key", "revoke", "no-such-kid")
    assert done.exit_code == 3
    assert done.stderr == "admit: there is no such key, or it is revoked already. See: admit key list\n"
    assert listed(admit) == before


def test_a_kid_that_begins_with_a_hyphen_is_no_option(admit: Admit) -> None:
    for kid in ("-" + "h" * 42, "--" + "x" * 41):
        for arguments in ((kid,), (kid, "--json"), ("--json", kid), ("--", kid)):
            done = admit("key", "revoke", *arguments)
            assert done.exit_code == 3, done.output
            assert "no such key" in done.stderr
    assert admit("key", "revoke", "--colour").exit_code == 2
