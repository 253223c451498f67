"""SQLite: one writer thread that lets waiting jobs share a COMMIT, and a reader in the event loop.

A look-up by key takes less time than handing it to a thread would. Several processes may use one file.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Final, ParamSpec, TypeAlias, TypeVar
from urllib.parse import unquote

from admit.errors import AdmitError, ConfigError, ConflictError, StorageUnavailableError
from admit.issuer.storage import sqlite_file
from admit.issuer.storage.config import StorageConfig
from admit.issuer.storage.database import Database
from admit.issuer.storage.keyring import Keyring
from admit.issuer.storage.statement import Bound, DialectName, Long, Many, Publish, Row, Steps, Unless

P = ParamSpec("P")
T = TypeVar("T")

# The end of a transaction that changed status bits; the writer's lock is held, so seq order is commit order.
# julianday, since unixepoch('subsec') is younger than SQLite 3.40.
_RAISE_HEAD: Final = "UPDATE status_head SET seq = seq + 1"
_ADD_BATCH: Final = (
    "INSERT INTO status_batch (epoch, seq, tx, at)"
    " SELECT epoch, seq, seq, (julianday('now') - 2440587.5) * 86400.0 FROM status_head RETURNING seq"
)


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
        self._writer: _Writer | None = None
        self._watching: asyncio.Task[None] | None = None

    async def _connect(self) -> None:
        await asyncio.to_thread(sqlite_file.prepare, self.path, self.config.busy_timeout.total_seconds())
        try:
            self._reader = sqlite_file.connect(self.path, _READER_BUSY)
            self._reader.execute("PRAGMA query_only = ON")
            connection = sqlite_file.connect(self.path, self.config.busy_timeout.total_seconds())
        except sqlite3.Error as error:
            await self.close()
            raise _translated(error) from None
        self._writer = _Writer(connection, self.config.group_limit, self._published)

    def _listen(self) -> None:
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        """SQLite tells nobody, but what it costs to ask whether anybody has written is next to nothing."""
        before = None
        while self._reader is not None:
            with contextlib.suppress(sqlite3.Error):
                (version,) = self._reader.execute("PRAGMA data_version").fetchone()
                if before is not None and version != before:
                    self._published()
                before = version
            await asyncio.sleep(_WATCH_EVERY)

    async def close(self) -> None:
        writer, self._writer = self._writer, None
        reader, self._reader = self._reader, None
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        if reader is not None:
            reader.close()
        if writer is not None:
            await asyncio.to_thread(writer.stop)

    async def run(self, job: Callable[P, Steps[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        writer = self._writer
        if writer is None:
            raise StorageUnavailableError("the database is not open")
        value: T = await writer.put(lambda: job(*args, **kwargs))
        return value

    async def read(self, bound: Bound) -> Sequence[Row]:
        if self._reader is None:
            raise StorageUnavailableError("the database is not open")
        compiled = bound.statement.compiled("sqlite")
        try:
            return self._reader.execute(compiled.sql, compiled.named(bound.params)).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from None

    async def read_apart(self, bound: Bound) -> Sequence[Row]:
        if self._reader is None:
            raise StorageUnavailableError("the database is not open")
        return await asyncio.to_thread(self._read_apart, bound)

    def _read_apart(self, bound: Bound) -> Sequence[Row]:
        compiled = bound.statement.compiled("sqlite")
        try:
            with contextlib.closing(
                sqlite_file.connect(self.path, self.config.busy_timeout.total_seconds())
            ) as connection:
                return connection.execute(compiled.sql, compiled.named(bound.params)).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from None


_WATCH_EVERY: Final = 0.05  # seconds

# A reader waits only while a log is being recovered; it would wait in the event loop.
_READER_BUSY: Final = 0.25

_Start: TypeAlias = Callable[[], Steps[Any]]


@dataclass(slots=True, eq=False)
class _Job:
    start: _Start
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    value: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Group:
    """Jobs of one COMMIT. `published`: one of them changed status bits."""

    jobs: list[_Job] = field(default_factory=list)
    published: bool = False

    def fail(self, error: BaseException) -> None:
        """Nothing was kept. Each job has an exception of its own: a shared one would gather everyone's traceback."""
        for job in self.jobs:
            if job.error is None:
                job.error = type(error)(*error.args)


class _Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, connection: sqlite3.Connection, limit: int, published: Callable[[], None]) -> None:
        self._connection = connection
        self._limit = limit
        self._tell_published = published
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()  # makes "not stopped, so queued before the end mark" one step
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="admit-sqlite-writer", daemon=True)
        self._thread.start()

    def put(self, start: _Start) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        job = _Job(start, loop.create_future(), loop)
        with self._lock:
            if self._stopped:
                raise StorageUnavailableError("the database is closed")
            self._queue.put(job)
        return job.future

    def stop(self) -> None:
        """End after the jobs that are queued. Blocks."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        last = False
        while not last:
            first = self._queue.get()
            if first is None:
                break
            group = _Group()
            last = self._run_group(group, first)
            _resolve(group.jobs)
        self._connection.close()

    def _next(self) -> Iterator[_Job | None]:
        with contextlib.suppress(Empty):
            while True:
                yield self._queue.get_nowait()

    def _run_group(self, group: _Group, first: _Job) -> bool:
        """Run `first` and whoever waits by now, commit once. True when the end mark was met."""
        last = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            group.jobs.append(first)
            group.fail(_translated(error))
            return False
        try:
            self._run_job(group, first)
            for job in self._next():
                if job is None:
                    last = True
                    break
                self._run_job(group, job)
                if len(group.jobs) >= self._limit:
                    break
            self._connection.execute("COMMIT")
            if group.published:
                self._tell_published()
        except Exception as error:
            self._roll_back()
            group.fail(_translated(error) if isinstance(error, sqlite3.Error) else error)
        return last

    def _run_job(self, group: _Group, job: _Job) -> None:
        if job.future.cancelled():
            return
        group.jobs.append(job)
        connection = self._connection
        connection.execute("SAVEPOINT job")
        try:
            job.value, published = _drive(connection, job.start)
            group.published = group.published or published
        except BaseException as error:
            job.error = _translated(error) if isinstance(error, sqlite3.Error) else error
            if not connection.in_transaction:
                # A full disk and its like end the whole transaction: nobody's work of this group is left.
                raise StorageUnavailableError("SQLite: the transaction was lost") from None
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _drive(connection: sqlite3.Connection, start: _Start) -> tuple[Any, bool]:
    """The transaction's value, and whether it published."""
    steps = start()
    publish = False
    rows: Sequence[Row] = []
    try:
        step = next(steps)
        while True:
            match step:
                case Bound():
                    rows = _rows(connection, step)
                case Unless(first, then):
                    rows = _rows(connection, first)
                    for bound in () if rows else then:
                        _rows(connection, bound)
                case Many(statement, many):
                    compiled = statement.compiled("sqlite")
                    connection.executemany(compiled.sql, [compiled.named(params) for params in many])
                    rows = []
                case Publish():
                    publish, rows = True, []
                case Long():
                    rows = []  # nothing here limits a statement
            step = steps.send(rows)
    except StopIteration as stop:
        if publish:
            connection.execute(_RAISE_HEAD)
            if len(connection.execute(_ADD_BATCH).fetchall()) != 1:
                raise StorageUnavailableError("the status head is missing") from None
        return stop.value, publish
    finally:
        steps.close()


def _rows(connection: sqlite3.Connection, bound: Bound) -> Sequence[Row]:
    compiled = bound.statement.compiled("sqlite")
    return connection.execute(compiled.sql, compiled.named(bound.params)).fetchall()


def _resolve(jobs: Sequence[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
    for job in jobs:
        by_loop[job.loop].append(job)
    for loop, done in by_loop.items():
        with contextlib.suppress(RuntimeError):  # that loop is closed; nobody waits any more
            loop.call_soon_threadsafe(_settle, done)


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.value)
        else:
            job.future.set_exception(job.error)


def _translated(error: sqlite3.Error) -> AdmitError:
    """What a driver's error means to callers. Its text is kept only where it names parts of our own statement."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if isinstance(error, sqlite3.IntegrityError):
        return ConflictError(f"SQLite refused a row: {name}")
    if name in ("SQLITE_ERROR", "SQLITE_MISUSE") or isinstance(error, sqlite3.ProgrammingError):
        return AdmitError(f"SQLite: {error}")  # a fault of ours: not for callers to wait out
    return StorageUnavailableError(f"SQLite: {name}")
