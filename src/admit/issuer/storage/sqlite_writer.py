"""SQLite's one writer: a thread that runs transactions and lets those that wait meanwhile share a COMMIT."""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from admit.errors import AdmitError, ConflictError, StorageUnavailableError
from admit.issuer.storage.statement import Bound, Long, Many, Publish, Row, Steps, Unless

# The end of a transaction that changed status bits; the writer's lock is held, so seq order is commit order.
# julianday, since unixepoch('subsec') is younger than SQLite 3.40.
_RAISE_HEAD: Final = "UPDATE status_head SET seq = seq + 1"
_ADD_BATCH: Final = (
    "INSERT INTO status_batch (epoch, seq, tx, at)"
    " SELECT epoch, seq, seq, (julianday('now') - 2440587.5) * 86400.0 FROM status_head RETURNING seq"
)

log = logging.getLogger("admit.issuer.storage")
Start: TypeAlias = Callable[[], Steps[Any]]


@dataclass(slots=True, eq=False)
class _Job:
    start: Start
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
        """Nothing was kept, so that what a job refused for the sake of another's work is no answer either.

        Each job has an exception of its own: a shared one would gather everyone's traceback.
        """
        for job in self.jobs:
            if not isinstance(job.error, StorageUnavailableError):
                job.error = type(error)(*error.args)


class Writer:
    """Owns the writing connection and its thread.

    `check` is asked before each COMMIT and refuses it by raising; `parting` gets the connection before it is closed.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        limit: int,
        *,
        published: Callable[[], None],
        check: Callable[[], None],
        parting: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._connection = connection
        self._limit = limit
        self._tell_published = published
        self._check = check
        self._parting = parting
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()  # makes "not stopped, so queued before the end mark" one step
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="admit-sqlite-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn, about."""
        return self._queue.qsize()

    def put(self, start: Start) -> "asyncio.Future[Any]":
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
        self._part()

    def _part(self) -> None:
        try:
            self._parting(self._connection)
        except Exception:
            log.exception("parting with the database failed")
        finally:
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
            # Who came meanwhile fails too: were each to wait for the lock in turn, the last would wait for all.
            waiting = list(self._next())
            group.jobs += [first, *(job for job in waiting if job is not None)]
            group.fail(translated(error))
            return None in waiting
        try:
            self._run_job(group, first)
            for job in self._next():
                if job is None:
                    last = True
                    break
                self._run_job(group, job)
                if len(group.jobs) >= self._limit:
                    break
            self._check()
            self._connection.execute("COMMIT")
            if group.published:
                self._tell_published()
        except Exception as error:
            self._roll_back()
            group.fail(translated(error) if isinstance(error, sqlite3.Error) else error)
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
            job.error = translated(error) if isinstance(error, sqlite3.Error) else error
            if not connection.in_transaction:
                # A full disk and its like end the whole transaction: nobody's work of this group is left.
                raise StorageUnavailableError("SQLite: the transaction was lost") from None
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _drive(connection: sqlite3.Connection, start: Start) -> tuple[Any, bool]:
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


def translated(error: sqlite3.Error) -> AdmitError:
    """What a driver's error means to callers. Its text is kept only where it names parts of our own statement."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if isinstance(error, sqlite3.IntegrityError):
        return ConflictError(f"SQLite refused a row: {name}")
    if name in ("SQLITE_ERROR", "SQLITE_MISUSE") or isinstance(error, sqlite3.ProgrammingError):
        return AdmitError(f"SQLite: {error}")  # a fault of ours: not for callers to wait out
    return StorageUnavailableError(f"SQLite: {name}")
