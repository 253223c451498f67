"""What is acknowledged is on the disk: a database that is set otherwise is not served."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.storage import Database, Keyring, durable, postgres
from admit.issuer.storage.sqlite import SqliteDatabase

pytestmark = pytest.mark.slow

GOOD: dict[str, Any] = {
    "synchronous_commit": "on",
    "standby": False,
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_both_connections_flush_each_commit_to_the_disk(db: SqliteDatabase) -> None:
    assert db._writer is not None
    for connection in (db._writer._connection, db._reader):
        assert connection is not None
        names = ("synchronous", "fullfsync", "checkpoint_fullfsync", "journal_mode")
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        assert found == [durable.FULL, 1, 1, "wal"]


@pytest.mark.threat("O-3", off="admit.issuer.storage.durable:check_flushed")
def test_a_sqlite_that_does_not_flush_is_refused(tmp_path: Path) -> None:
    class Deaf(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            return super().execute("SELECT 1" if sql == "PRAGMA synchronous = FULL" else sql, *parameters)

    with sqlite3.connect(tmp_path / "a.db", factory=Deaf) as connection:
        sqlite3.Connection.execute(connection, "PRAGMA synchronous = OFF")
        with pytest.raises(ConfigError, match="does not flush"):
            durable.make_durable(connection, tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as honest:
        durable.make_durable(honest, tmp_path / "a.db")


@pytest.mark.threat("O-3", off="admit.issuer.storage.durable:check_commits")
async def test_a_postgresql_that_acknowledges_what_it_may_lose_is_refused(
    postgresql_url: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that passes the setting on to nobody."""
    db = Database.from_url(postgresql_url, keyring)
    monkeypatch.setitem(postgres.SESSION, "synchronous_commit", "off")
    with pytest.raises(ConfigError, match="synchronous_commit = off") as caught:
        await db.open()
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    await db.open()
    await db.close()


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
def test_only_what_survives_a_failover_is_taken_for_kept(value: str) -> None:
    durable.check_commits({**GOOD, "synchronous_commit": "remote_apply"})
    with pytest.raises(ConfigError, match=value):
        durable.check_commits({**GOOD, "synchronous_commit": value})


def test_a_standby_is_refused() -> None:
    durable.check_primary(GOOD)
    with pytest.raises(ConfigError, match="standby"):
        durable.check_primary({**GOOD, "standby": True})
