"""docs/backup.md says what the code does: its commands run, and what it names is there."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from admit.cli.main import main
from admit.issuer.audit import AuditEvent
from admit.issuer.storage import mark
from tests.fixtures import pages
from tests.fixtures.processes import furnished_sqlite_url, settings_toml, write_key_file

pytestmark = pytest.mark.slow

TEXT = (pages.DOCS / "backup.md").read_text("utf-8")


def test_the_page_opens_with_the_price() -> None:
    assert TEXT.split("\n\n")[1].startswith("**The price first.**")


def test_the_commands_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backups").mkdir()
    settings: dict[str, Any] = {"database": furnished_sqlite_url(tmp_path), "data": str(tmp_path)}
    settings["keys.file"] = str(write_key_file(tmp_path))
    Path("admit.toml").write_text(settings_toml(issuer="http://localhost:8410", dev=True, **settings))
    commands = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]
    assert len(commands) == 4
    for line in commands:
        words = [word.replace("/var/backups", str(tmp_path / "backups")) for word in shlex.split(line)]
        done = CliRunner().invoke(main, words[1:])
        assert done.exit_code == 0, (line, done.stderr)
    kept = [name for name in os.listdir(tmp_path) if name.startswith("admit.db.replaced-")]
    assert len(kept) == 1, "as the page says"


def test_what_it_names_is_so() -> None:
    assert f"admit.db{mark.SUFFIX}" in TEXT
    assert f"`{AuditEvent.EPOCH_RAISED.value}`" in TEXT
    for command in ("epoch raise --revoke-keys", "epoch raise --keep-older-families"):
        if command in TEXT:
            shown = CliRunner().invoke(main, [*command.split()[:2], "--help"]).output
            assert command.split()[2] in shown
