"""The one way to the tables, for SQLite and PostgreSQL alike."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, ParamSpec, TypeVar
from urllib.parse import urlsplit

from admit.errors import ConfigError
from admit.issuer.storage import identity
from admit.issuer.storage.config import StorageConfig
from admit.issuer.storage.end_listeners import EndListener, ListenedTransaction
from admit.issuer.storage.keyring import Keyring
from admit.issuer.storage.statement import Bound, DialectName, Row, Steps

P = ParamSpec("P")
T = TypeVar("T")


class Database(ABC):
    """Runs transactions and reads. Made by `from_url`; does no I/O before `open`.

    A transaction is a generator function that yields bound statements. Its rules decide between two yields, and need
    neither a connection nor an event loop.
    """

    dialect: ClassVar[DialectName]

    def __init__(self, keyring: Keyring, config: StorageConfig) -> None:
        self.keyring = keyring
        self.config = config
        self._end_listeners: tuple[EndListener, ...] = ()
        self._hints: dict[object, tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = {}
        self.home: asyncio.AbstractEventLoop | None = None
        """The event loop that opened it, where everything of it has to be awaited."""
        self.sweeping = asyncio.Lock()
        """Held by the one sweep of this process whose turn it is, while it rests too."""

    @staticmethod
    def from_url(url: str, keyring: Keyring, config: StorageConfig | None = None) -> "Database":
        """The database of `sqlite:///relative`, `sqlite:////absolute` or `postgresql://user@host/name`.

        Raises:
            ConfigError: another scheme, or no path.
        """
        chosen = config if config is not None else StorageConfig()
        if dialect_of(url) == "sqlite":
            from admit.issuer.storage.sqlite import SqliteDatabase, path_of

            return SqliteDatabase(path_of(url), keyring, chosen)
        from admit.issuer.storage.postgres import PostgresDatabase

        return PostgresDatabase(url, keyring, chosen)

    async def open(self, *, accept_older: bool = False) -> None:
        """Connect, see that the schema is the one this version knows and that the keyring is this database's.

        `accept_older`: also where it went back in time, for `admit epoch raise`.

        Raises:
            ConfigError: damaged, foreign, half-migrated, newer or older database, a backup, or another database's key
                file. One line.
            StorageUnavailableError: it could not be reached.
        """
        self.home, self.sweeping = asyncio.get_running_loop(), asyncio.Lock()
        await self._connect()
        try:
            await identity.check(self)
            await self._look_back(accept_older=accept_older)
        except BaseException:
            await self.close()
            raise

    @abstractmethod
    async def _connect(self) -> None: ...

    async def _look_back(self, *, accept_older: bool) -> None:  # noqa: B027  # PostgreSQL has nothing to look at
        """See that the database is not an older copy of itself, where that can be known."""

    @abstractmethod
    async def close(self) -> None:
        """Let begun transactions end, then disconnect. Harmless when not open."""

    async def run(self, job: Callable[P, Steps[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `job(...)` as one transaction and return its value after COMMIT.

        The function may be called again from the start (serialisation trouble, at most 3 times in all), so it must
        keep what it makes inside. What it raises rolls back and comes out. A cancelled caller leaves either all of the
        transaction or nothing.

        Raises:
            StorageUnavailableError: not reached, too busy, or the outcome of COMMIT is unknown.
            ConflictError: a unique key or another constraint refused a row.
        """
        if not self._end_listeners:
            return await self._run(lambda: job(*args, **kwargs))
        transaction = ListenedTransaction(self._end_listeners, lambda: job(*args, **kwargs))
        value = await self._run(transaction.start)
        await transaction.tell()
        return value

    @abstractmethod
    async def _run(self, start: Callable[[], Steps[T]]) -> T:
        """As `run`, of what `start` begins."""

    @abstractmethod
    async def write(self, bound: Bound) -> Sequence[Row]:
        """The rows of one statement that is a transaction by itself, committed.

        Raises:
            StorageUnavailableError: not reached, or it is not known whether it was done.
            ConflictError: as `run`.
        """

    @abstractmethod
    async def read(self, bound: Bound) -> Sequence[Row]:
        """The rows of one SELECT, outside any transaction; it sees all that was committed before the call.

        Raises:
            StorageUnavailableError: not reached.
        """

    async def read_apart(self, bound: Bound) -> Sequence[Row]:
        """As `read`, for a SELECT that takes long: it never holds up the event loop.

        Raises:
            StorageUnavailableError: not reached.
        """
        return await self.read(bound)

    def load(self) -> Mapping[str, float]:
        """How busy it is, for metrics: `jobs` run or wait; `connections` are open, `connections_idle` unused."""
        return {}

    def on_ended(self, listener: EndListener) -> None:
        """Have the listener hear of each end of families that a transaction of this process makes. Who asked for the
        end waits for that; where the process dies between, the end was not acknowledged.
        """
        self._end_listeners = (*self._end_listeners, listener)

    def on_publish(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have `told` called, in the running event loop, soon after a transaction published; what ends that.

        Only a hint: it may come for nothing, and may be missed.
        """
        mark = object()
        self._hints[mark] = asyncio.get_running_loop(), told
        self._listen()

        def forget() -> None:
            self._hints.pop(mark, None)

        return forget

    @abstractmethod
    def _listen(self) -> None:
        """See to it that this process hears of others."""

    def _published(self) -> None:
        """Pass a hint on. From any thread; in the loop of those who want to hear, at once."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        for loop, told in tuple(self._hints.values()):
            if loop is here:
                told()
            else:
                with contextlib.suppress(RuntimeError):  # that loop is closed
                    loop.call_soon_threadsafe(told)

    async def one(self, bound: Bound) -> Row | None:
        """The only row of a SELECT by key, or None."""
        rows = await self.read(bound)
        return rows[0] if rows else None


def dialect_of(url: str) -> DialectName:
    """Which kind of database a URL names. Raises ConfigError for any other."""
    match urlsplit(url).scheme:
        case "sqlite":
            return "sqlite"
        case "postgresql" | "postgres":
            return "postgresql"
    raise ConfigError("database: want a URL that begins sqlite:/// or postgresql://")


def bound_once(bound: Bound) -> Steps[Sequence[Row]]:
    """The transaction of a single statement; its value is the rows."""
    rows: Sequence[Row] = yield bound
    return rows
