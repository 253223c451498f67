"""A missing component skips with a hint on a laptop, and fails where everything is required."""

import os

import pytest

from tests.fixtures.required import missing
from tests.plugins import environment


def test_a_missing_component_skips_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(environment.GIVEN, "ADMIT_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Chromium: apt install chromium"):
        missing("Chromium", "apt install chromium")


def test_a_missing_component_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(environment.GIVEN, "ADMIT_REQUIRE", "all")
    with pytest.raises(pytest.fail.Exception, match="Chromium is required and missing"):
        missing("Chromium", "apt install chromium")


def test_programs_that_tests_start_do_not_see_what_is_meant_for_the_tests() -> None:
    assert environment.GIVEN.keys().isdisjoint(os.environ)
