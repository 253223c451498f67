"""docs/sign-in-with.md: the commands that it shows, as it shows them, make a client with which people sign in."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

pytestmark = pytest.mark.slow

Admit = Callable[..., Result]
PAGE = (Path(__file__).parents[3] / "docs/sign-in-with.md").read_text("utf-8")


def test_the_commands_of_the_page_make_a_client_that_signs_people_in(admit: Admit) -> None:
    found = re.search(r"<!-- commands -->\n```sh\n(.*?)```", PAGE, re.S)
    assert found is not None
    commands = [shlex.split(line)[1:] for line in found[1].splitlines()]
    assert [command[:2] for command in commands[:2]] == [["resource", "add"], ["client", "add"]]
    assert commands[2:] == [["user", "add", "ada@example.com", "--name", "Ada"], ["serve"]]
    for command in commands[:2]:
        done = admit(*command)
        assert done.exit_code == 0, done.stderr
        assert "signs nobody in" not in done.stderr
    shown = json.loads(admit("client", "show", "shop", "--json").stdout)
    (asked,) = set(re.findall(r'scopes=\(("openid".*?"orders:own")\)', PAGE))
    assert set(shown["scopes"]) == set(json.loads(f"[{asked}]"))
    assert f'"{shown["default_resource"]}"' in PAGE
    (redirect,) = shown["redirect_uris"]
    assert redirect == "http://localhost:8000/bff/callback/id"


def test_a_client_that_asks_for_no_openid_is_told_of(admit: Admit) -> None:
    arguments = ("--name", "Shop", "--redirect-uri", "https://shop.example.com/callback", "--scope", "email")
    done = admit("client", "add", "shop", *arguments)
    assert done.exit_code == 0
    assert "shop signs nobody in: openid is not among its scopes" in done.stderr
    assert "next: admit client remove shop" in done.stderr
    assert "signs nobody in" not in admit("client", "add", "other", *arguments[:-2]).stderr
    assert "openid, profile and email" in " ".join(admit("client", "add", "--help").stdout.split())
