"""`SqliteSessionStore`: one file for all workers of a machine; sessions outlive restarts."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, Final

from admit.errors import ConfigError, UnavailableError
from admit.relying_party.store.records import (
    TOMBSTONE,
    StoredEnd,
    StoredSession,
    unplaced,
)

_SWEEP_EVERY: Final = 60.0
_BUSY: Final = 5.0
_AGAIN: Final = 0.02
_VERSION: Final = 3
_KEEPS_A_SECRET: Final = 2
_SCHEMA: Final = """
CREATE TABLE sessions (
    id_hash BLOB PRIMARY KEY, sealed BLOB NOT NULL, person BLOB NOT NULL, at_provider BLOB, idle_at REAL NOT NULL,
    expires_at REAL NOT NULL, version INTEGER NOT NULL, leased_until REAL NOT NULL DEFAULT 0, leased_by BLOB
) WITHOUT ROWID;
CREATE INDEX sessions_by_person ON sessions (person);
CREATE INDEX sessions_by_provider ON sessions (at_provider);
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX sessions_by_idle ON sessions (idle_at);
CREATE TABLE spent (name BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE over (name BLOB PRIMARY KEY, until REAL NOT NULL, told_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE secret (id INTEGER PRIMARY KEY CHECK (id = 1), octets BLOB NOT NULL);
"""
_FROM_1: Final = """
ALTER TABLE over RENAME COLUMN at_provider TO name;
ALTER TABLE over ADD COLUMN told_at REAL NOT NULL DEFAULT 9e999;
CREATE TABLE secret (id INTEGER PRIMARY KEY CHECK (id = 1), octets BLOB NOT NULL);
DROP TABLE transactions;
"""
_FROM_2: Final = "ALTER TABLE sessions ADD COLUMN leased_by BLOB"
_STEPS: Final = {0: (_SCHEMA,), 1: (_FROM_1, _FROM_2), 2: (_FROM_2,)}
"""What brings a file to this version, by the one that it has."""


class SqliteSessionStore:
    """Sessions in one SQLite file on a local disk, for all workers of a machine.

    The file is made with mode 0600 when it is first needed, and what it holds is sealed by the browsers' cookies. A
    write that was acknowledged is on the disk. Needs SQLite 3.35.

    Raises:
        ConfigError: the folder is missing.
        UnavailableError: (from its methods) the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        if not self.path.parent.is_dir():
            raise ConfigError("SqliteSessionStore(path=...) is a file in a folder that is there")
        self._local = threading.local()
        self._swept_at = 0.0

    def secret(self) -> bytes:
        with self._translated():
            row = self._database().execute("SELECT octets FROM secret").fetchone()
        return bytes(row[0])

    def add(self, session: StoredSession, issued_at: float, now: float) -> bool:
        place = unplaced(session.person) if session.at_provider is None else session.at_provider
        with self._writing(now) as database:
            done = database.execute(
                "INSERT INTO sessions (id_hash, sealed, person, at_provider, idle_at, expires_at, version)"
                " SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS"
                " (SELECT 1 FROM over WHERE name IN (?, ?) AND until > ? AND told_at >= ?)",
                (
                    session.id_hash,
                    session.sealed,
                    session.person,
                    session.at_provider,
                    session.idle_at,
                    session.expires_at,
                    session.version,
                    session.person,
                    place,
                    now,
                    issued_at,
                ),
            )
            return done.rowcount == 1

    def get(self, id_hash: bytes, now: float) -> StoredSession | None:
        with self._translated():
            row = (
                self._database()
                .execute(
                    "SELECT sealed, person, at_provider, idle_at, expires_at, version FROM sessions"
                    " WHERE id_hash = ? AND idle_at > ? AND expires_at > ?",
                    (id_hash, now, now),
                )
                .fetchone()
            )
        if row is None:
            return None
        return StoredSession(
            id_hash=id_hash,
            sealed=row[0],
            person=row[1],
            at_provider=row[2],
            idle_at=row[3],
            expires_at=row[4],
            version=row[5],
        )

    def touch(self, id_hash: bytes, idle_at: float) -> None:
        self._write(
            "UPDATE sessions SET idle_at = ? WHERE id_hash = ? AND idle_at < ?", (idle_at, id_hash, idle_at)
        )

    def lease(self, id_hash: bytes, version: int, now: float, until: float, holder: bytes = b"") -> bool:
        done = self._write(
            "UPDATE sessions SET leased_until = ?, leased_by = ?"
            " WHERE id_hash = ? AND version = ? AND leased_until <= ?",
            (until, holder, id_hash, version, now),
        )
        return done == 1

    def release(self, id_hash: bytes, version: int, holder: bytes = b"") -> None:
        self._write(
            "UPDATE sessions SET leased_until = 0 WHERE id_hash = ? AND version = ? AND leased_by = ?",
            (id_hash, version, holder),
        )

    def replace(self, id_hash: bytes, version: int, sealed: bytes) -> bool:
        done = self._write(
            "UPDATE sessions SET sealed = ?, version = version + 1, leased_until = 0"
            " WHERE id_hash = ? AND version = ?",
            (sealed, id_hash, version),
        )
        return done == 1

    def end(self, id_hash: bytes, version: int | None = None) -> bool:
        done = self._write(
            "DELETE FROM sessions WHERE id_hash = ? AND version = coalesce(?, version)", (id_hash, version)
        )
        return done == 1

    def end_of(self, told: StoredEnd, now: float) -> int:
        with self._writing(now) as database:
            if not _is_new(database, told.name, now, told.until):
                return 0
            stays = [] if told.at_provider is None else [(told.at_provider, inf)]
            stays += [] if told.stays is None else [told.stays]
            database.executemany(
                "INSERT INTO over (name, until, told_at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET until = max(until, excluded.until), told_at = max(told_at, excluded.told_at)",
                [(name, now + TOMBSTONE, told_at) for name, told_at in stays],
            )
            if told.at_provider is None:
                return database.execute("DELETE FROM sessions WHERE person = ?", (told.person,)).rowcount
            done = database.execute("DELETE FROM sessions WHERE at_provider = ?", (told.at_provider,))
            rest = database.execute(
                "DELETE FROM sessions WHERE person = ? AND at_provider IS NULL", (told.person,)
            )
            return done.rowcount + rest.rowcount

    def spend_once(self, name: bytes, now: float, until: float) -> bool:
        with self._writing(now) as database:
            return _is_new(database, name, now, until)

    def close(self) -> None:
        """Close this thread's connection; another is opened when one is needed."""
        database = getattr(self._local, "database", None)
        if database is not None:
            self._local.database = None
            database.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> int:
        with self._writing() as database:
            return database.execute(statement, values).rowcount

    @contextlib.contextmanager
    def _writing(self, now: float | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction, which has the only pen from its beginning."""
        with self._translated():
            database = self._database()
            database.execute("BEGIN IMMEDIATE")
            try:
                if now is not None and not 0 <= now - self._swept_at < _SWEEP_EVERY:
                    self._swept_at = now
                    _sweep(database, now)
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def _database(self) -> sqlite3.Connection:
        """This thread's connection; none is ever used on the other side of a fork."""
        known: sqlite3.Connection | None = getattr(self._local, "database", None)
        if known is not None and self._local.process == os.getpid():
            return known
        # Made by us first, so that it is nobody else's to read for a moment.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = _opened(self.path)
        self._local.database, self._local.process = database, os.getpid()
        return database

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"the session store: {type(error).__name__}") from error


def _opened(path: Path) -> sqlite3.Connection:
    """A connection. Several that turn a new file to WAL at once are told "locked" without their waiting time."""
    until = time.monotonic() + _BUSY
    while True:
        database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA secure_delete = ON")
            _furnish(database)
        except BaseException as error:
            database.close()
            if not isinstance(error, sqlite3.OperationalError) or time.monotonic() > until:
                raise
            time.sleep(_AGAIN)
        else:
            return database


def _furnish(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        held = database.execute("PRAGMA user_version").fetchone()[0]
        if held in _STEPS:
            for step in _STEPS[held]:
                for statement in step.split(";"):
                    database.execute(statement)
            if held < _KEEPS_A_SECRET:
                database.execute("INSERT INTO secret (id, octets) VALUES (1, ?)", (os.urandom(32),))
            database.execute(f"PRAGMA user_version = {_VERSION}")
        found = database.execute("PRAGMA user_version").fetchone()[0]
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
    if found != _VERSION:
        raise UnavailableError("the session store was made by another version: begin a new file")


def _is_new(database: sqlite3.Connection, name: bytes, now: float, until: float) -> bool:
    done = database.execute(
        "INSERT INTO spent (name, until) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE spent.until <= ?",
        (name, until, now),
    )
    return done.rowcount == 1


def _sweep(database: sqlite3.Connection, now: float) -> None:
    database.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
    database.execute("DELETE FROM sessions WHERE idle_at <= ?", (now,))
    database.execute("DELETE FROM spent WHERE until <= ?", (now,))
    database.execute("DELETE FROM over WHERE until <= ?", (now,))
