"""The tests of the verify path are tested: at least nine in ten small wrongs in it make one fail. In the soak only."""

import ast
import json
import os
import subprocess
import sys

import pytest

from tests.mutation.mutants import mutants, names
from tests.mutation.watched import ROOT, WATCHED, every_name, source_of

SOURCE = '''
def check(size: int, limit: int = 5) -> bool:
    """Words about 3 things."""
    if not size < limit:
        raise ValueError("over 9")
    return size == 0 or size > 1
'''


def test_every_mutant_is_another_program_and_words_are_left_alone() -> None:
    found = list(mutants("example", SOURCE))
    texts = [ast.unparse(one.tree) for one in found]
    assert len({one.name for one in found}) == len(found) == len(set(texts))
    assert [one.name for one in found] == list(names("example", SOURCE))
    assert ast.unparse(ast.parse(SOURCE)) not in texts
    assert all("Words about 3 things" in text and "limit: int=5" in text for text in texts)
    assert any("raise" not in text for text in texts)
    assert all("over 9" in text for text in texts if "raise" in text)
    for wrong in (
        "size <= limit", "size != 0", "size >= 1", "size == 0 and size > 1", "if True", "if False", "size > 2",
        "return size > 1",
    ):  # fmt: skip
        assert any(wrong in text for text in texts), wrong


def test_what_is_called_harmless_is_there_and_a_reason_stands_beside_it() -> None:
    harmless = json.loads((ROOT / "tests/mutation/equivalent.json").read_text("utf-8"))
    assert all(len(reason) > 20 for reason in harmless.values())
    there = every_name()
    assert harmless.keys() <= there
    assert "admit.jose.jws:verify: remember(jws.header, jws.signing_input) → left out" in there


def test_every_function_that_is_watched_is_there() -> None:
    for module, functions in WATCHED.items():
        tree = ast.parse(source_of(module).read_text("utf-8"))
        assert (functions or frozenset()) <= {
            one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)
        }


@pytest.mark.soak
def test_nine_in_ten_wrongs_in_the_verify_path_are_noticed() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--report", "benchmarks/results/mutation.md"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": "src:.", "ADMIT_TIER": "quick"},
        capture_output=True, text=True,
    )  # fmt: skip
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
