"""Which setting would let a refused request through: the table is true of the settings and of the rules."""

import ast
import dataclasses
import functools
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import admit.issuer
from admit.cli.explain_settings import SETTINGS, settings_of
from admit.issuer.app.settings import Settings
from admit.issuer.clients.records import Client, Resource

FOLDER = Path(admit.issuer.__path__[0])
CONFIGS = {"client": Client, "resource": Resource}
MADE_BY = {"invalid": "InvalidClientMetadataError", "or_throttled": "ThrottledError"}
MADE_IN = FOLDER / "throttle" / "records.py"  # what it raises is what `or_throttled` was given


@functools.cache
def raised() -> frozenset[tuple[str, str]]:
    """Each error that the issuer makes, with the beginning of its detail; "" where that is no constant."""
    found: set[tuple[str, str]] = set()
    for module in set(FOLDER.rglob("*.py")) - {MADE_IN}:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                name = MADE_BY.get(name, name)
                found.add((name, beginning(node.args[0]) if node.args else ""))
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                found.add((node.exc.id, ""))
    return frozenset(found)


def beginning(argument: ast.expr) -> str:
    match argument:
        case ast.Constant(str() as text) | ast.JoinedStr([ast.Constant(str() as text), *_]):
            return text
        case _:
            return ""


def exists(name: str) -> bool:
    """Whether a setting has this path."""
    table, _, member = name.partition(".")
    hints = typing.get_type_hints(Settings)
    if table in CONFIGS:
        return member in {field.name for field in dataclasses.fields(CONFIGS[table])}
    if not member:
        return table in hints
    return table in hints and member in {field.name for field in dataclasses.fields(hints[table])}


@pytest.mark.parametrize("rule", SETTINGS, ids=lambda rule: f"{rule[0]}-{rule[1][:24]}")
def test_every_setting_that_is_named_exists_and_every_rule_is_one(rule: tuple[str, str]) -> None:
    kind, detail = rule
    assert SETTINGS[rule]
    assert [name for name in SETTINGS[rule] if not exists(name)] == []
    told = {text for name, text in raised() if name == kind}
    assert told, f"nothing raises {kind}"
    # A detail that is put together begins with what is constant in it; that of some is a value of an enum.
    assert any(text.startswith(detail) or detail.startswith(text) for text in told), f"no rule says {detail}"


def test_a_setting_that_does_not_exist_would_be_noticed() -> None:
    assert exists("client.redirect_uris")
    assert exists("issuer")
    assert not exists("client.redirects")
    assert not exists("grants.code_life")
    assert not exists("nothing")


def unnamed() -> Iterator[str]:
    for kind, detail in raised():
        if kind == "ThrottledError" and not settings_of(kind, detail):
            yield detail


def test_every_bound_on_how_often_names_the_setting_that_widens_it() -> None:
    assert sorted(unnamed()) == []


def test_the_nearest_rule_names_the_settings_and_what_no_setting_changes_names_none() -> None:
    assert settings_of("SpentError", "password-account-day:00ff") == ("accounts.tries_per_day",)
    assert settings_of("SpentError", "password-account:00ff")[0] == "accounts.tries_per_account"
    assert settings_of("InvalidGrantError", "code_verifier") == ()
    assert settings_of("SignatureError", "") == ()
    assert settings_of("NotFoundError", "") == ()
