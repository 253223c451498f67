"""The layers of the source tree are held: a planted bad import turns the linter red."""

import ast
import shutil
import subprocess
import sys
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


def _plant(folder: Path, file: str, line: str) -> Path:
    """A copy of the source with one more line in one file, which is made where it is missing."""
    source = folder / "src"
    shutil.copytree(PACKAGE, source / "admit", ignore=shutil.ignore_patterns("__pycache__"))
    path = source / "admit" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in path.relative_to(source).parents:
        if parent.name and not (source / parent / "__init__.py").exists():
            (source / parent / "__init__.py").touch()
    text = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{text}\n{line}\n", encoding="utf-8")
    return source


def test_the_source_tree_keeps_its_layers() -> None:
    assert "exit=0" in _lint(ROOT / "src")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("jose/planted.py", "import admit.jwt", NUMBERS),
        ("jose/planted.py", "from admit import verifier", NUMBERS),
        ("credentials/planted.py", "import admit.tokens.access", NUMBERS),
        ("integrations/fastapi/planted.py", "from admit.issuer import storage", NUMBERS),
        ("helpers.py", "", NUMBERS),
        ("issuer/storage/planted.py", "import admit.issuer.keys", LETTERS),
        ("issuer/grants/planted.py", "import admit.issuer.sessions", LETTERS),
        ("issuer/accounts/rules.py", "import sqlalchemy", "SQLAlchemy only"),
        ("issuer/clients/planted.py", "import sqlite3", "Database drivers only"),
        ("jose/planted.py", "import time", "read no clock"),
        ("issuer/clients/rules.py", "import asyncio", "read no clock"),
        ("verifier/planted.py", "import httpx2", "dials out"),
        ("issuer/oauth/planted.py", "import starlette", "A framework only"),
    ],
)
def test_a_planted_import_that_points_up_or_out_turns_the_linter_red(
    tmp_path: Path, file: str, line: str, contract: str
) -> None:
    report = _lint(_plant(tmp_path, file, line))
    assert "exit=1" in report
    assert f"{contract}" in report.split("Contracts:")[0]
    assert any(contract in part.rsplit("KEPT", 1)[-1] for part in report.split("BROKEN")[:-1])


@pytest.mark.slow
def test_a_store_may_import_sqlalchemy(tmp_path: Path) -> None:
    assert "exit=0" in _lint(_plant(tmp_path, "issuer/clients/store.py", "import sqlalchemy"))


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
