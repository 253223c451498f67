"""PostgreSQL: a pool of asyncpg connections; each transaction on one of them, READ COMMITTED, durable."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Final, ParamSpec, TypeAlias, TypeVar

import asyncpg

from admit.errors import AdmitError, ConfigError, ConflictError, StorageUnavailableError
from admit.issuer.storage.config import StorageConfig
from admit.issuer.storage.database import Database
from admit.issuer.storage.keyring import Keyring
from admit.issuer.storage.schema import HEAD, VERSION_TABLE
from admit.issuer.storage.sqlite_file import check_whole
from admit.issuer.storage.statement import Bound, DialectName, Many, Publish, Row, Steps

P = ParamSpec("P")
T = TypeVar("T")
_Start: TypeAlias = Callable[[], Steps[Any]]

ATTEMPTS: Final = 3
RETRIED: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected

# One simple-query message: from taking the head's lock to COMMIT the server waits for nobody, so that seq order is
# commit order and a client that dies holds no lock.
COMMIT_AND_PUBLISH: Final = (
    "WITH h AS (UPDATE status_head SET seq = seq + 1 RETURNING epoch, seq)"
    " INSERT INTO status_batch (epoch, seq, tx, at)"
    " SELECT epoch, seq, pg_current_xact_id()::text::bigint, extract(epoch from clock_timestamp()) FROM h;"
    " NOTIFY admit_status;"
    " COMMIT"
)

_log = logging.getLogger(__name__)


class PostgresDatabase(Database):
    """See `Database`."""

    dialect: ClassVar[DialectName] = "postgresql"

    def __init__(self, url: str, keyring: Keyring, config: StorageConfig) -> None:
        super().__init__(keyring, config)
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def _connect(self) -> None:
        statement = int(self.config.statement_timeout.total_seconds() * 1000)
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self.config.pool_size,
                max_inactive_connection_lifetime=300.0,
                statement_cache_size=512,
                connection_class=_Connection,
                timeout=self.config.connect_timeout.total_seconds(),
                # Above the server's own limit: it is for a server that no longer answers.
                command_timeout=self.config.statement_timeout.total_seconds() + 2,
                server_settings={
                    "application_name": "admit",
                    "synchronous_commit": "on",
                    "default_transaction_isolation": "read committed",
                    "idle_in_transaction_session_timeout": "2000",
                    "statement_timeout": str(statement),
                    "jit": "off",
                },
            )
        except Exception as error:
            raise translated(error) from None
        try:
            await self._check_schema()
        except BaseException:
            await self.close()
            raise

    async def _check_schema(self) -> None:
        version, tables = await self._call(_schema_of)
        if version is None and VERSION_TABLE not in tables:
            raise ConfigError("the PostgreSQL database has no Admit tables yet: run `admit migrate`")
        if version is not None and version < HEAD:
            raise ConfigError(
                f"the PostgreSQL database has an older schema ({version}, wanted {HEAD}): run `admit migrate`"
            )
        check_whole(version, tables, "the PostgreSQL database")

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._running:
            await asyncio.wait(self._running)
        await pool.close()

    async def run(self, job: Callable[P, Steps[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        def start() -> Steps[T]:
            return job(*args, **kwargs)

        for attempt in range(1, ATTEMPTS + 1):
            try:
                value: T = await self._call(lambda connection: _transact(connection, start))
                return value
            except asyncpg.PostgresError as error:
                if not is_retried(error) or attempt == ATTEMPTS:
                    raise translated(error) from None
        raise AssertionError("unreachable")

    async def read(self, bound: Bound) -> Sequence[Row]:
        compiled = bound.statement.compiled("postgresql")
        arguments = compiled.positional(bound.params)
        pool = self._open_pool()
        try:
            rows: Sequence[Row] = await pool.fetch(compiled.sql, *arguments)
        except Exception as error:
            raise translated(error) from None
        return rows

    def _open_pool(self) -> asyncpg.Pool:
        if self._pool is None:
            raise StorageUnavailableError("the database is not open")
        return self._pool

    async def _call(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
        """Do `work` on a connection of the pool. Once begun it is carried through, also when the caller is cancelled:
        the caller's end then neither leaves half a transaction nor a connection in doubt."""
        pool = self._open_pool()
        try:
            connection = await pool.acquire(timeout=self.config.connect_timeout.total_seconds())
        except Exception as error:
            raise translated(error) from None
        task = asyncio.ensure_future(self._carry(pool, connection, work))
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # fetched here too: the caller may be gone

    @staticmethod
    async def _carry(
        pool: asyncpg.Pool,
        connection: asyncpg.Connection,
        work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]],
    ) -> T:
        try:
            return await work(connection)
        finally:
            try:
                await pool.release(connection)
            except Exception:
                _log.debug("a broken connection was dropped")


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """Without the reset query, a round trip after each use: we leave nothing in a session that it would clear."""

    def get_reset_query(self) -> str:
        return ""


async def _schema_of(connection: asyncpg.Connection) -> tuple[str | None, frozenset[str]]:
    try:
        names = await connection.fetch(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')"
        )
        tables = frozenset(row["relname"] for row in names)
        if VERSION_TABLE not in tables:
            return None, tables
        versions = await connection.fetch(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608  # a constant
    except Exception as error:
        raise translated(error) from None
    return (versions[0]["version_num"] if len(versions) == 1 else None), tables


async def _transact(connection: asyncpg.Connection, start: _Start) -> Any:
    """One transaction. Lets asyncpg's retried errors out as they are."""
    steps = start()
    try:
        await connection.execute("BEGIN")
        value, publish = await _drive(connection, steps)
        await connection.execute(COMMIT_AND_PUBLISH if publish else "COMMIT")
    except BaseException as error:
        steps.close()
        await _roll_back(connection)
        if isinstance(error, AdmitError) or is_retried(error) or not isinstance(error, Exception):
            raise
        raise translated(error) from None
    return value


async def _drive(connection: asyncpg.Connection, steps: Steps[Any]) -> tuple[Any, bool]:
    publish = False
    rows: Sequence[Row] = []
    try:
        step = next(steps)
        while True:
            match step:
                case Bound(statement, params):
                    compiled = statement.compiled("postgresql")
                    rows = await connection.fetch(compiled.sql, *compiled.positional(params))
                case Many(statement, many):
                    compiled = statement.compiled("postgresql")
                    await connection.executemany(
                        compiled.sql, [compiled.positional(params) for params in many]
                    )
                    rows = []
                case Publish():
                    publish, rows = True, []
            step = steps.send(rows)
    except StopIteration as stop:
        return stop.value, publish


async def _roll_back(connection: asyncpg.Connection) -> None:
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK")
    except Exception:
        connection.terminate()  # the server rolls back what a lost connection had begun


def is_retried(error: BaseException) -> bool:
    """Whether the server says that the same transaction may succeed when it is run again."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in RETRIED


# Connection, resources, operator's doing, a standby after failover, and what ran into one of our time limits.
_UNAVAILABLE: Final = ("08", "53", "57", "58", "25006", "25P03", "55P03", "40")


def translated(error: Exception) -> Exception:
    """What a driver's error means to callers.

    A driver's text may quote the values of a row, so only the kind is kept, and the text where it can but name parts
    of our own statement (class 42). Raise the result `from None`: the cause would be printed with it.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _translated_state(error, error.sqlstate or "")
    if isinstance(error, asyncpg.UnsupportedClientFeatureError | asyncpg.ClientConfigurationError):
        return ConfigError("the PostgreSQL URL cannot be used: check its parameters")
    if isinstance(
        error, OSError | asyncio.TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    ):
        return StorageUnavailableError(f"PostgreSQL: {type(error).__name__}")
    return error


def _translated_state(error: Any, state: str) -> AdmitError:
    if state.startswith("23"):
        return ConflictError(f"PostgreSQL refused a row: {state} {error.constraint_name or ''}".rstrip())
    if state in ("3D000", "28000", "28P01"):
        return ConfigError(
            "the PostgreSQL database cannot be used: check its name, user and password in the URL"
        )
    if state.startswith(_UNAVAILABLE):
        return StorageUnavailableError(f"PostgreSQL: {state}")
    return AdmitError(f"PostgreSQL: {state} {error.message if state.startswith('42') else ''}".rstrip())
