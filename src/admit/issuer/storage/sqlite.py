"""SQLite: one writer thread that lets waiting jobs share a COMMIT, and a reader in the event loop.

A look-up by key takes less time than handing it to a thread would. Several processes may use one file.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, TypeVar
from urllib.parse import unquote

from admit.errors import AdmitError, ConfigError, StorageUnavailableError
from admit.issuer.storage import mark, sqlite_file
from admit.issuer.storage.config import StorageConfig
from admit.issuer.storage.database import Database, bound_once
from admit.issuer.storage.keyring import Keyring
from admit.issuer.storage.mark import Mark
from admit.issuer.storage.sqlite_writer import Writer, translated
from admit.issuer.storage.statement import Bound, DialectName, Row, Steps

T = TypeVar("T")

log = logging.getLogger("admit.issuer.storage")

_WATCH_EVERY: Final = 0.05  # seconds
MARK_EVERY: Final = 5.0
_HEAD: Final = "SELECT epoch, seq FROM status_head"

# A reader waits only while a log is being recovered; it would wait in the event loop.
_READER_BUSY: Final = 0.25


def path_of(url: str) -> Path:
    """The file of `sqlite:///relative` or `sqlite:////absolute`. Raises ConfigError."""
    head, _, rest = url.partition(":///")
    name = unquote(rest)
    if head != "sqlite" or not name or name == ":memory:" or "?" in name or "\0" in name:
        raise ConfigError(
            "database: want sqlite:///file or sqlite:////folder/file; a database in memory is not kept"
        )
    return Path(name)


class SqliteDatabase(Database):
    """See `Database`. Reads are synchronous, on the loop's own connection."""

    dialect: ClassVar[DialectName] = "sqlite"

    def __init__(self, path: Path, keyring: Keyring, config: StorageConfig) -> None:
        super().__init__(keyring, config)
        self.path = path
        self._reader: sqlite3.Connection | None = None
        # Idle, one at most: to open one costs more than most SELECTs.
        self._apart: list[sqlite3.Connection] = []
        self._apart_lock = threading.Lock()
        self._writer: Writer | None = None
        self._watching: asyncio.Task[None] | None = None
        self._place = (0, 0)
        self._gone = False
        self._marked: Mark | None = None
        self._looked_back = False

    async def _connect(self) -> None:
        busy = self.config.busy_timeout.total_seconds()
        await asyncio.to_thread(sqlite_file.prepare, self.path, busy)
        try:
            self._place, self._gone, self._looked_back = sqlite_file.place_of(self.path), False, False
            self._reader = sqlite_file.connect(self.path, _READER_BUSY)
            self._reader.execute("PRAGMA query_only = ON")
            self._writer = Writer(
                sqlite_file.connect(self.path, busy),
                self.config.group_limit,
                published=self._published,
                check=self._check_in_place,
                parting=self._part,
            )
            self._check_in_place()
        except sqlite3.Error as error:
            await self.close()
            raise translated(error) from None
        except BaseException:
            await self.close()
            raise

    async def _look_back(self, *, accept_older: bool) -> None:
        """Hold the file against what was written down of it, and write down how far it is now."""
        kept = await asyncio.to_thread(mark.read, self.path)
        found = await self._how_far()  # after it, since others may write meanwhile
        if kept is not None:
            mark.check_same(self.path, kept, found)
            if not accept_older:
                mark.check_forward(self.path, kept, found)
        self._marked, self._looked_back = kept, True
        await asyncio.to_thread(self._write_down, found)

    async def _how_far(self) -> Mark:
        reader = self._reader
        try:
            found = mark.of(reader) if reader is not None else None
        except sqlite3.OperationalError as error:
            raise translated(error) from None
        except (sqlite3.DatabaseError, ValueError, TypeError):  # of damaged pages anything may come
            raise sqlite_file.DamagedError(self.path) from None
        if found is None:
            raise StorageUnavailableError("the database is not open")
        return found

    def _write_down(self, found: Mark) -> None:
        """Never backwards: what is behind stays so until the epoch is raised. A late mark costs sight, no more."""
        if found == self._marked or (self._marked is not None and found.is_behind(self._marked)):
            return
        try:
            mark.write(self.path, found)
        except OSError as error:
            log.warning("%s cannot be written: %s", mark.beside(self.path), error.strerror)
        else:
            self._marked = found

    def _part(self, connection: sqlite3.Connection) -> None:
        """In the writer's thread, after its last COMMIT."""
        if not self._looked_back or self._gone:
            return
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError, StorageUnavailableError):
            self._check_in_place()
            found = mark.of(connection)
            if found is not None:
                self._write_down(found)

    def _check_in_place(self) -> None:
        sqlite_file.check_in_place(self.path, self._place)

    def _listen(self) -> None:
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        """SQLite tells nobody, but what it costs to ask whether anybody has written is next to nothing. Most of what is
        written publishes nothing: only where the head moved is there anything to look at.
        """
        clock = asyncio.get_running_loop().time
        before, head = None, None
        due = clock() + MARK_EVERY
        while self._reader is not None:
            with contextlib.suppress(sqlite3.Error):
                (version,) = self._reader.execute("PRAGMA data_version").fetchone()
                if version != before:
                    found = self._reader.execute(_HEAD).fetchone()
                    moved = before is not None and found is not None and tuple(found) != head
                    before, head = version, tuple(found) if found is not None else None
                    if moved:
                        self._published()
            self._see_to_place()
            if clock() >= due:
                with contextlib.suppress(AdmitError):
                    await asyncio.to_thread(self._write_down, await self._how_far())
                due = clock() + MARK_EVERY
            await asyncio.sleep(_WATCH_EVERY)

    def _see_to_place(self) -> None:
        """Writes find it out by themselves; what is read from a file that is no longer there is past."""
        try:
            self._check_in_place()
        except StorageUnavailableError:
            if not self._gone:
                log.error(
                    "database %s was replaced or removed while in use: stop, and put it right", self.path
                )
            self._gone = True
        else:
            self._gone = False

    def load(self) -> Mapping[str, float]:
        return {"jobs": self._writer.waiting if self._writer is not None else 0}

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        with self._apart_lock:
            reader, self._reader = self._reader, None
            apart, self._apart = self._apart, []
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        for connection in (reader, *apart):
            if connection is not None:
                connection.close()
        if writer is not None:
            await asyncio.to_thread(writer.stop)

    async def _run(self, start: Callable[[], Steps[T]]) -> T:
        writer = self._writer
        if writer is None:
            raise StorageUnavailableError("the database is not open")
        value: T = await writer.put(start)
        return value

    async def write(self, bound: Bound) -> Sequence[Row]:
        return await self.run(bound_once, bound)

    async def read(self, bound: Bound) -> Sequence[Row]:
        if self._reader is None or self._gone:
            raise StorageUnavailableError("the database is not open")
        compiled = bound.statement.compiled("sqlite")
        try:
            return self._reader.execute(compiled.sql, compiled.named(bound.params)).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from None

    async def read_apart(self, bound: Bound) -> Sequence[Row]:
        if self._reader is None or self._gone:
            raise StorageUnavailableError("the database is not open")
        return await asyncio.to_thread(self._read_apart, bound)

    def _read_apart(self, bound: Bound) -> Sequence[Row]:
        compiled = bound.statement.compiled("sqlite")
        with self._apart_lock:
            connection = self._apart.pop() if self._apart else None
        is_kept = False
        try:
            if connection is None:
                connection = sqlite_file.connect(self.path, self.config.busy_timeout.total_seconds())
            rows = connection.execute(compiled.sql, compiled.named(bound.params)).fetchall()
            with self._apart_lock:
                if is_kept := self._reader is not None and not self._apart:
                    self._apart.append(connection)
            return rows
        except sqlite3.Error as error:
            raise translated(error) from None
        finally:
            if connection is not None and not is_kept:
                connection.close()
