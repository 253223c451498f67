"""What cannot work does not start: one line that says what and how to mend it, exit code not 0, data untouched."""

import hashlib
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from admit.issuer.storage import Keyring
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import (
    fork_admit,
    free_port,
    furnished_sqlite_url,
    run_admit,
    settings_toml,
    write_key_file,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`serve(database)`: `admit serve` with good settings, but for what is given."""

    def run(
        database: str, *, keyring: Keyring | None = None, **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        key_file = write_key_file(tmp_path) if keyring is None else write_key_file(tmp_path, keyring)
        port = free_port()
        good: dict[str, Any] = {
            "issuer": f"http://localhost:{port}", "dev": True, "listen": f"127.0.0.1:{port}",
            "database": database, "keys.file": str(key_file), "data": str(tmp_path),
        }  # fmt: skip
        path = tmp_path / "admit.toml"
        path.write_text(settings_toml(**{**good, **settings}))
        return run_admit("serve", "--config", str(path), cwd=tmp_path)

    return run


def check_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line on standard error with these words; nothing on standard output; exit code not 0."""
    assert done.returncode != 0
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("admit: ")
    for word in words:
        assert word in lines[0]


def digest(url: str) -> str:
    return hashlib.sha256(Path(url.removeprefix("sqlite:///")).read_bytes()).hexdigest()


@pytest.mark.threat("INF-keys")
def test_another_key_file_is_told_and_the_right_one_still_serves_the_data(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    url = furnished_sqlite_url(tmp_path)
    before = digest(url)
    check_one_line(serve(url, keyring=Keyring.generate()), "keys.file", "ADMIT_KEYS", "nothing was changed")
    assert digest(url) == before
    write_key_file(tmp_path)
    listed = fork_admit("user", "list", "--json", "--config", str(tmp_path / "admit.toml"))
    assert listed.returncode == 0, listed.stderr
    assert "ada@example.com" in listed.stdout


@pytest.mark.soak
@pytest.mark.threat("INF-keys")
def test_a_key_file_that_others_may_read_is_told(tmp_path: Path, serve: Callable[..., Any]) -> None:
    url = furnished_sqlite_url(tmp_path)
    write_key_file(tmp_path).rename(tmp_path / "open.json")
    (tmp_path / "open.json").chmod(0o644)
    check_one_line(serve(url, **{"keys.file": str(tmp_path / "open.json")}), "open.json", "chmod 600")


@pytest.mark.soak
def test_a_half_migrated_schema_is_told_and_left_as_it_is(serve: Callable[..., Any], tmp_path: Path) -> None:
    url = furnished_sqlite_url(tmp_path)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
        db.execute("DROP TABLE authorization_code")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = digest(url)
    check_one_line(serve(url), "half-migrated", "authorization_code", "restore the backup")
    assert digest(url) == before


def test_a_postgresql_that_was_not_migrated_is_refused_with_the_command_that_does_it(
    serve: Callable[..., Any], tmp_path: Path, postgres_dsn: str, postgres_server: PostgresServer
) -> None:
    check_one_line(serve(postgres_dsn), "admit migrate")
    config = str(tmp_path / "admit.toml")
    migrated = fork_admit("migrate", "--config", config)
    assert (migrated.returncode, migrated.stdout) == (0, "The schema is up to date.\n"), migrated.stderr
    listed = fork_admit("user", "list", "--config", config)
    assert (listed.returncode, listed.stdout) == (0, "No accounts yet.\n"), listed.stderr


@pytest.mark.soak
def test_a_database_that_is_not_there_is_told(serve: Callable[..., Any]) -> None:
    done = serve(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    check_one_line(done, "database")
    assert done.returncode == 4


@pytest.mark.soak
def test_a_port_in_use_is_told_before_anything_is_made(serve: Callable[..., Any], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve(f"sqlite:///{tmp_path}/new.db", listen=f"127.0.0.1:{port}")
    check_one_line(done, f"127.0.0.1:{port}", "--listen")
    assert not (tmp_path / "new.db").exists()


@pytest.mark.threat("INF-defaults")
def test_http_without_dev_is_refused_before_anything_is_made(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    done = serve(f"sqlite:///{tmp_path}/new.db", dev=False)
    check_one_line(done, "issuer", "--dev", "https")
    assert not (tmp_path / "new.db").exists()
