"""docs/clients.md: a program that asks in its own name gets its token by the commands of the page."""

import asyncio
import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from admit.cli.main import main
from admit.issuer import Issuer, Settings
from admit.issuer.clients.rules import machine_scopes
from tests.fixtures import pages
from tests.fixtures.processes import furnished_sqlite_url, settings_toml, write_key_file

pytestmark = pytest.mark.slow

TEXT = (pages.DOCS / "clients.md").read_text("utf-8")


def test_the_commands_for_machines_let_them_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "issuer"  # the page has a keys.json of its own
    folder.mkdir()
    settings: dict[str, Any] = {"database": furnished_sqlite_url(folder), "data": str(folder)}
    settings["keys.file"] = str(write_key_file(folder))
    Path("admit.toml").write_text(settings_toml(issuer="http://localhost:8410", dev=True, **settings))
    blocks = [block for block in re.findall(r"```\n(.*?)```", TEXT, re.S) if "client_credentials" in block]
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 6
    for line in lines:
        command, _, to = line.partition(" > ")
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        assert done.exit_code == 0, (line, done.stderr)
        assert "no token in its own name" not in done.stderr, line
        if to:
            Path(to).write_text(done.stdout)

    async def allowed() -> list[frozenset[str]]:
        issuer = Issuer(Settings.load(environ={}), clock=time.time)
        async with issuer.opened():
            await issuer.services.clients.read_resources()
            api = issuer.registry.resource("https://api.example.com")
            found = [await issuer.services.clients.find(id) for id in ("reports", "nightly")]
            return [machine_scopes(one, api) for one in found if one is not None]

    assert asyncio.run(allowed()) == [frozenset({"orders:read"})] * 2
