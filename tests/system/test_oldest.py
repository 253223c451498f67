"""The integrations on the oldest release of each framework that `pyproject.toml` says they work with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.patience import patience

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    "tests/contract",
    "tests/unit/integrations",
    "tests/unit/testing",
    "tests/unit/client",
    "tests/unit/relying_party",
)


def uv() -> str:
    own = ROOT / ".cache/uv/bin/uv"
    return str(own) if own.exists() else "uv"


def run(*command: str, **more: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, **more},
        capture_output=True,
        text=True,
        timeout=60 * patience(),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.mark.soak
def test_the_integrations_hold_on_the_oldest_release_of_each_framework(tmp_path: Path) -> None:
    python = str(tmp_path / "venv/bin/python")
    run(uv(), "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    install = (uv(), "pip", "install", "--quiet", "--python", python)
    run(*install, "--require-hashes", "-r", "requirements/oldest.txt")
    run(*install, "--no-deps", "--no-build-isolation", "-e", ".")
    quiet = ("-q", "-p", "no:cacheprovider", "-n", "2")
    print(run(python, "-m", "pytest", *quiet, *TESTS, ADMIT_TIER="test").splitlines()[-1])
