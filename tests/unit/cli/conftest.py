"""The commands in this process, with a settings file, a key file and a database of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admit.cli import main
from tests.fixtures.processes import furnished_sqlite_url, settings_toml, write_key_file

Admit = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of an issuer with Ada and Bo."""
    path = tmp_path / "admit.toml"
    path.write_text(
        settings_toml(
            issuer="http://localhost:8410", dev=True, database=furnished_sqlite_url(tmp_path),
            data=str(tmp_path), **{"keys.file": str(write_key_file(tmp_path))},
        )
    )  # fmt: skip
    return path


@pytest.fixture
def admit(config: Path, monkeypatch: pytest.MonkeyPatch) -> Admit:
    """`admit("user", "list")` in the folder of those settings, in a pipe."""
    monkeypatch.chdir(config.parent)

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return run
