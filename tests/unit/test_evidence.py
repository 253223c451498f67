"""`--defences-off` reports what it should: red tests as seen, green and broken ones as failures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import docs
from tests.plugins import twins

ROOT = Path(__file__).resolve().parents[2]

DEFENCE = """
import random

def check(value):
    if value != "good":
        raise ValueError("refused")

def shout(value):
    return value.upper()
"""

TWINS = """
TWINS = {
    "admit_sample:check": lambda value: None,
    "admit_sample:shout": lambda value: value,
}
"""

CASES = """
import subprocess, sys
import pytest
import admit_sample

@pytest.mark.threat("SEEN", off="admit_sample:check")
def test_that_needs_the_defence():
    with pytest.raises(ValueError):
        admit_sample.check("bad")

@pytest.mark.threat("UNNOTICED", off="admit_sample:check")
def test_that_never_calls_it():
    assert admit_sample

@pytest.mark.threat("BREAKS", off="admit_sample:check")
def test_that_dies_of_something_else():
    try:
        admit_sample.check("bad")
    except ValueError:
        return
    None.nothing

@pytest.mark.threat("NO-TWIN", off="admit_sample:missing")
def test_whose_defence_is_not_there(): ...

@pytest.mark.threat("NO-DEFENCE-NAMED")
def test_left_out(): ...

CHILD = "import admit_sample; admit_sample.check('bad')"

@pytest.mark.threat("CHILD", off_system="admit_sample:check")
def test_of_a_child_process():
    with pytest.raises(ValueError):
        admit_sample.check("bad")
    assert subprocess.run([sys.executable, "-c", CHILD], capture_output=True).returncode != 0

@pytest.fixture
def refused():
    with pytest.raises(ValueError):
        admit_sample.check("bad")

@pytest.mark.threat("FIXTURE", off="admit_sample:check")
def test_whose_fixture_breaks(refused): ...

@pytest.mark.threat("FIRST", off="admit_sample:shout")
@pytest.mark.threat("SECOND", off="admit_sample:check")
def test_of_two_rows():
    assert admit_sample.shout("a") == "A"
    with pytest.raises(ValueError):
        admit_sample.check("bad")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with the plugin, a defence, its twins and tests of each outcome."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "admit_sample.py").write_text(DEFENCE)
    for name in ("tests", "tests/plugins", "tests/plugins/child_hook", "tests/twins"):
        (folder / name).mkdir()
    for name in ("tests", "tests/plugins", "tests/twins"):
        (folder / name / "__init__.py").touch()
    for name in ("evidence.py", "twins.py", "child_hook/sitecustomize.py"):
        (folder / "tests/plugins" / name).write_text((ROOT / "tests/plugins" / name).read_text())
    (folder / "tests/twins/sample.py").write_text(TWINS)
    (folder / "tests/conftest.py").write_text('pytest_plugins = ["tests.plugins.evidence"]\n')
    (folder / "tests/test_cases.py").write_text(CASES)
    (folder / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\ntestpaths = ["tests"]\npythonpath = ["."]\n'
        'addopts = ["--import-mode=importlib", "--strict-markers"]\n'
    )
    return folder


def _run(project: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ADMIT", "PYTHONPATH"))}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = (
        "1"  # of other people's plugins this project needs one at most
    )
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-W", "error", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=[(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def output(project: Path, request: pytest.FixtureRequest) -> str:
    return _run(project, "--defences-off", *request.param)


def _seen(output: str) -> set[str]:
    section = output.split("ledger rows seen failing", 1)[1].splitlines()[1:]
    return {line.strip() for line in section if line.startswith("  ")}


@pytest.mark.slow
def test_rows_whose_tests_fail_without_their_defence_are_listed(output: str) -> None:
    assert _seen(output) == {"SEEN", "CHILD", "FIRST", "SECOND"}
    assert "4 rows" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("test_that_never_calls_it", "defence admit_sample:check is out, yet the test passes"),
        ("test_that_dies_of_something_else", "this test broke instead of failing"),
        ("test_whose_defence_is_not_there", "no run: admit_sample:missing: no twin in tests/twins"),
    ],
)
def test_a_test_that_does_not_fail_as_it_should_is_a_failure(output: str, name: str, why: str) -> None:
    assert f"FAILED tests/test_cases.py::{name}" in output
    assert why in output


@pytest.mark.slow
def test_a_fixture_that_breaks_is_an_error_and_shows_nothing(output: str) -> None:
    assert "ERROR tests/test_cases.py::test_whose_fixture_breaks" in output


@pytest.mark.slow
def test_tests_without_a_named_defence_are_left_out(output: str) -> None:
    assert "1 deselected" in output or "test_left_out" not in output


@pytest.mark.slow
def test_without_the_option_the_same_tests_run_with_their_defences(project: Path) -> None:
    output = _run(project)
    assert "8 passed" in output


def test_every_defence_named_by_a_twin_exists_and_the_twin_fits_it() -> None:
    for target in twins.table():
        twins.check(target)


def test_every_defence_named_by_a_marker_has_a_twin() -> None:
    named = {name: mark.test for mark in docs.collect(ROOT / "tests") for name in mark.defences}
    assert {name: test for name, test in named.items() if name not in twins.table()} == {}


def test_a_twin_is_bound_where_another_module_imported_the_defence_and_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import admit.errors
    import admit.principal

    original = admit.principal.Principal.__dict__["key"]
    twin_of_class, twin_of_name = (lambda self: None), (lambda: "twin")
    monkeypatch.setattr(admit.errors, "borrowed", admit.principal.field, raising=False)
    held = admit.principal.field
    table = {"admit.principal:Principal.key": twin_of_class, "admit.principal:field": twin_of_name}
    monkeypatch.setattr(twins, "table", lambda: table)
    monkeypatch.setattr(twins, "_accepts", lambda twin, original: True)
    with twins.taken_out(table):
        assert admit.errors.borrowed() == "twin"  # type: ignore[attr-defined]  # planted above
        assert admit.principal.Principal.__dict__["key"].fget is twin_of_class
    assert admit.errors.borrowed is held  # type: ignore[attr-defined]  # planted above
    assert admit.principal.Principal.__dict__["key"] is original


@pytest.mark.parametrize(
    ("twin", "why"),
    [
        (lambda other: None, "does not take the defence's parameters"),
        ("text", "of another sort"),
    ],
)
def test_a_twin_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, twin: object, why: str) -> None:
    monkeypatch.setattr(twins, "table", lambda: {"tests.plugins.twins:check": twin})
    with pytest.raises(twins.TwinError, match=why):
        twins.check("tests.plugins.twins:check")
