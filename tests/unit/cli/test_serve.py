"""What a server does once, before it serves; and `admit migrate`, which SQLite does not need."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from admit.cli.server import Server
from tests.fixtures.processes import free_port

Admit = Callable[..., Result]


def test_sqlite_has_nothing_to_migrate(admit: Admit) -> None:
    done = admit("migrate")
    assert done.exit_code == 0, done.stderr
    assert "nothing to do" in done.stdout


def test_nobody_looks_for_garbage_among_what_a_server_was_started_with(
    admit: Admit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of commands that end soon, and of what tests start in their own process, all is collected as ever."""
    told: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: told.append("frozen"))

    async def serve(self: Server, sockets: Any) -> None:
        told.append("served")
        for one in sockets:
            one.close()

    monkeypatch.setattr(Server, "serve", serve)
    done = admit("serve", "--listen", f"127.0.0.1:{free_port()}")
    assert done.exit_code == 0, done.output
    assert told == ["frozen", "frozen", "served"], "the code; then what was made of it"
    assert admit("migrate").exit_code == 0
    assert told[3:] == []
