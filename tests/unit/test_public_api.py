"""What users may import changes only on purpose."""

import importlib

import pytest

from scripts import public_api


def test_public_names_and_signatures_are_the_committed_ones() -> None:
    now = public_api.listing()
    assert now == public_api.LIST.read_text("utf-8"), "a wanted change? then: make public-api"


@pytest.mark.parametrize("door", [door for door in public_api.DOORS if public_api._there(door)])
def test_every_name_in_all_exists_and_is_listed_once(door: str) -> None:
    module = importlib.import_module(door)
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_a_new_name_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = importlib.import_module("admit.errors")
    monkeypatch.setattr(errors, "__all__", ["AdmitError"], raising=False)
    monkeypatch.setattr(public_api, "DOORS", ("admit.errors",))
    before = public_api.listing()
    monkeypatch.setattr(errors, "__all__", ["AdmitError", "TokenError"])
    assert public_api.listing() != before
