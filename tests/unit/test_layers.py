"""The layers of the source tree are held: a planted bad import turns the linter red."""

import ast
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/admit"
CLOCKS = {"now", "utcnow", "today"}

NUMBERS = "Numbers point down"
LETTERS = "Letters inside the issuer"


def _lint(source: Path) -> str:
    command = [
        Path(sys.executable).parent / "lint-imports",
        "--no-cache",
        "--config",
        ROOT / "pyproject.toml",
    ]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    # The report wraps at the width of a terminal.
    return " ".join((done.stdout + done.stderr).split()) + f" exit={done.returncode}"


def _plant(folder: Path, *planted: tuple[str, str]) -> Path:
    """A copy of the source with one more line in each of these files, which are made where they are missing."""
    source = folder / "src"
    shutil.copytree(PACKAGE, source / "admit", ignore=shutil.ignore_patterns("__pycache__"))
    for file, line in planted:
        path = source / "admit" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(source).parents:
            if parent.name and not (source / parent / "__init__.py").exists():
                (source / parent / "__init__.py").touch()
        text = path.read_text("utf-8") if path.exists() else ""
        path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    return source


# File, line, the import as the report has it, and the contract under which it stands there.
PLANTED = [
    ("jose/one.py", "import admit.jwt", "admit.jose.one -> admit.jwt", NUMBERS),
    ("jose/two.py", "from admit import verifier", "admit.jose.two -> admit.verifier", NUMBERS),
    ("credentials/three.py", "import admit.tokens.access", "three -> admit.tokens.access", NUMBERS),
    (
        "integrations/fastapi/four.py",
        "from admit.issuer import storage",
        "four -> admit.issuer.storage",
        NUMBERS,
    ),
    ("issuer/storage/five.py", "import admit.issuer.keys", "storage.five -> admit.issuer.keys", LETTERS),
    ("issuer/accounts/rules.py", "import sqlalchemy", "accounts.rules -> sqlalchemy", "SQLAlchemy only"),
    ("issuer/clients/six.py", "import sqlite3", "clients.six -> sqlite3", "Database drivers only"),
    ("jose/seven.py", "import time", "jose.seven -> time", "read no clock"),
    ("issuer/clients/rules.py", "import asyncio", "clients.rules -> asyncio", "read no clock"),
    ("verifier/eight.py", "import httpx2", "verifier.eight -> httpx2", "dials out"),
    ("issuer/oauth/nine.py", "import starlette", "oauth.nine -> starlette", "A framework only"),
]


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of all of them."""
    report = _lint(_plant(tmp_path_factory.mktemp("layers"), *((file, line) for file, line, _, _ in PLANTED)))
    assert "exit=1" in report
    return report


def test_the_source_tree_keeps_its_layers() -> None:
    assert "exit=0" in _lint(ROOT / "src")


@pytest.mark.slow
@pytest.mark.parametrize(("edge", "contract"), [planted[2:] for planted in PLANTED])
def test_a_planted_import_that_points_up_or_out_turns_the_linter_red(
    red: str, edge: str, contract: str
) -> None:
    kept_or_broken, told = red.split("Broken contracts", 1)
    assert any(contract in part.rsplit("KEPT", 1)[-1] for part in kept_or_broken.split("BROKEN")[:-1])
    # Each section is headed by its contract's name, underlined.
    sections = re.split(r"-{20,}(?: -+)?", told)
    (of_contract,) = (
        after for before, after in pairwise(sections) if contract in before[-200:].split(") ")[-1]
    )
    assert f"{edge} (l." in of_contract


@pytest.mark.slow
def test_a_module_outside_every_layer_turns_the_linter_red(tmp_path: Path) -> None:
    report = _lint(_plant(tmp_path, ("helpers.py", "")))
    assert "exit=1" in report
    assert any(NUMBERS in part.rsplit("KEPT", 1)[-1] for part in report.split("BROKEN")[:-1])


@pytest.mark.slow
def test_a_store_may_import_sqlalchemy(tmp_path: Path) -> None:
    assert "exit=0" in _lint(_plant(tmp_path, ("issuer/clients/store.py", "import sqlalchemy")))


def _pure_files() -> list[Path]:
    packages = [path for name in ("jose", "tokens", "credentials") for path in (PACKAGE / name).rglob("*.py")]
    return (
        packages + list((PACKAGE / "issuer").rglob("rules.py")) + list(PACKAGE.glob("issuer/**/rules/*.py"))
    )


def _clock_reads(source: str) -> list[str]:
    """Calls of `datetime.now()` and its like: the import of datetime itself is wanted, for timedelta."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]


def test_pure_packages_take_the_time_as_a_parameter() -> None:
    assert {
        path.name: reads for path in _pure_files() if (reads := _clock_reads(path.read_text("utf-8")))
    } == {}


def test_a_clock_that_is_read_would_be_found() -> None:
    assert _clock_reads("x = datetime.now(tz=UTC)") == ["datetime.now(tz=UTC)"]
