"""The fixture in a run of its own, as in the project of somebody who installed Admit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "ADMIT"))}
    return subprocess.run(  # this interpreter, arguments of this file
        [sys.executable, *arguments], env=clean, capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.mark.soak
def test_the_example_is_a_project_of_its_own_and_passes() -> None:
    assert "`pytest examples/testing`" in (ROOT / "docs/testing.md").read_text("utf-8")
    done = run("-m", "pytest", "-p", "no:cacheprovider", "examples/testing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_who_does_not_use_it_pays_nothing_for_it() -> None:
    done = run("-c", "import sys, admit.testing.plugin; print(*sorted(sys.modules))")
    loaded = done.stdout.split()
    assert "admit.testing" in loaded
    assert not {"cryptography", "msgspec", "httpcore2", "starlette"}.intersection(loaded)
