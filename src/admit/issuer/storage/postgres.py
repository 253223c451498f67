"""PostgreSQL: a pool of asyncpg connections; each transaction on one of them, READ COMMITTED, durable."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import asyncpg

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.storage import durable
from admit.issuer.storage.config import StorageConfig
from admit.issuer.storage.database import Database
from admit.issuer.storage.keyring import Keyring
from admit.issuer.storage.lending import Lending
from admit.issuer.storage.listening import Listening
from admit.issuer.storage.postgres_errors import is_lost, is_retried, translated, while_open
from admit.issuer.storage.publishing import Connection
from admit.issuer.storage.schema import HEAD, READ_VERSION, TABLES, VERSION_TABLE
from admit.issuer.storage.sqlite_file import check_whole
from admit.issuer.storage.statement import Bound, DialectName, Long, Many, Publish, Row, Steps, Unless

T = TypeVar("T")
_Start: TypeAlias = Callable[[], Steps[Any]]

ATTEMPTS: Final = 3

SESSION: Final = {
    "application_name": "admit",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "2000",
    "jit": "off",
}
"""What each connection asks for; `durable` sees whether it got it."""

_BEYOND: Final = 2.0  # seconds that we wait longer than the server
_CLOSING: Final = 10.0  # seconds; then connections that do not answer are cut


class PostgresDatabase(Database):
    """See `Database`."""

    dialect: ClassVar[DialectName] = "postgresql"

    def __init__(self, url: str, keyring: Keyring, config: StorageConfig) -> None:
        super().__init__(keyring, config)
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._lending: Lending | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._listening: Listening | None = None

    async def _connect(self) -> None:
        statement = int(self.config.statement_timeout.total_seconds() * 1000)
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self.config.pool_size,
                max_inactive_connection_lifetime=300.0,
                statement_cache_size=512,
                connection_class=Connection,
                init=_check_server,
                timeout=self.config.connect_timeout.total_seconds(),
                # Above the server's own limit: it is for a server that no longer answers.
                command_timeout=self.config.statement_timeout.total_seconds() + _BEYOND,
                server_settings={**SESSION, "statement_timeout": str(statement)},
            )
        except Exception as error:
            raise translated(error) from None
        self._lending = Lending(self._pool, self.config.connect_timeout.total_seconds())
        try:
            await self._check_schema()
        except BaseException:
            await self.close()
            raise

    async def _check_schema(self) -> None:
        version, tables = await self._call(_schema_of)
        if VERSION_TABLE not in tables and not tables & TABLES:
            raise ConfigError("the PostgreSQL database has no Admit tables yet: run `admit migrate`")
        if version is not None and version < HEAD:
            raise ConfigError(
                f"the PostgreSQL database has an older schema ({version}, wanted {HEAD}): run `admit migrate`"
            )
        check_whole(version, tables, "the PostgreSQL database")

    def _listen(self) -> None:
        if self._listening is None and self._pool is not None:
            self._listening = Listening(self._connect_to_listen, self._published)

    async def _connect_to_listen(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._url,
            timeout=self.config.connect_timeout.total_seconds(),
            command_timeout=self.config.statement_timeout.total_seconds(),
            server_settings={"application_name": "admit listens"},
        )

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        lending, self._lending = self._lending, None
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.stop()
        if pool is None:
            return
        try:
            async with asyncio.timeout(_CLOSING):
                if self._running:
                    await asyncio.wait(self._running)
                if lending is not None:
                    await lending.close()
                await pool.close()
        except TimeoutError:
            pool.terminate()

    def load(self) -> Mapping[str, float]:
        pool, lending = self._pool, self._lending
        if pool is None or lending is None:
            return {}
        return {
            "jobs": len(self._running),
            "connections": pool.get_size(),
            "connections_idle": pool.get_idle_size() + lending.idle,
        }

    async def _run(self, start: Callable[[], Steps[T]]) -> T:
        long = self.config.long_timeout.total_seconds()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                value: T = await self._call(lambda connection: _transact(connection, start, long))
                return value
            except _NotCommittedError as error:
                await self._distrust_pool()
                trouble: Exception = error.trouble
            except asyncpg.PostgresError as error:
                trouble = error
                if not is_retried(error):
                    break
            await _pause_after(attempt)
        raise translated(trouble) from None

    async def write(self, bound: Bound) -> Sequence[Row]:
        # One message to the server and one back: it begins and commits by itself.
        compiled = bound.statement.compiled("postgresql")
        arguments = compiled.positional(bound.params)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._call(lambda connection: _select(connection, compiled.sql, arguments))
            except Exception as error:
                trouble = error
                if not is_retried(error):
                    break
            await _pause_after(attempt)
        if is_lost(trouble):
            await self._distrust_pool()
        raise while_open(trouble) from None

    async def read(self, bound: Bound) -> Sequence[Row]:
        compiled = bound.statement.compiled("postgresql")
        arguments = compiled.positional(bound.params)
        try:
            return await self._fetch(compiled.sql, arguments)
        except Exception as error:
            if not is_lost(error):
                raise while_open(error) from None
        await self._distrust_pool()
        try:
            return await self._fetch(compiled.sql, arguments)
        except Exception as error:
            raise while_open(error) from None

    async def _fetch(self, sql: str, arguments: Sequence[Any]) -> Sequence[Row]:
        lending = self._open()
        lent = lending.at_once()
        if lent is None:  # it may have to connect, which a cancelled caller must not cut short
            return await self._call(lambda connection: _select(connection, sql, arguments))
        try:
            rows: Sequence[Row] = await lent.connection.fetch(sql, *arguments)
        except BaseException:
            await lending.give_back(lent)
            raise
        if not lending.keep(lent):
            await lending.give_back(lent)
        return rows

    async def _distrust_pool(self) -> None:
        """One connection was found dead, so the others of its age may be: each is made anew before its next use."""
        if self._pool is not None and self._lending is not None:
            await self._lending.settle()
            await self._pool.expire_connections()

    def _open(self) -> Lending:
        if self._lending is None:
            raise StorageUnavailableError("the database is not open")
        return self._lending

    async def _call(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
        """Do `work` on a connection of the pool, in a task of its own.

        A cancelled caller does not reach into asyncpg: what has begun is carried through, what has not is left out.
        """
        lending, caller = self._open(), _Caller()
        task = asyncio.ensure_future(self._carry(lending, work, caller))
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller.gone = True
            raise

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # fetched here too: the caller may be gone

    async def _carry(
        self,
        lending: Lending,
        work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]],
        caller: "_Caller",
    ) -> T:
        try:
            lent = await lending.take()
        except Exception as error:
            raise while_open(error) from None
        is_kept = False
        try:
            if caller.gone:
                raise StorageUnavailableError("the caller did not wait")
            value = await work(lent.connection)
            is_kept = lending.keep(lent)
            return value
        finally:
            if not is_kept:
                await lending.give_back(lent)


async def _pause_after(attempt: int) -> None:
    """A moment before the next attempt, where there is one."""
    if attempt < ATTEMPTS:
        await asyncio.sleep(random.uniform(0, 0.01) * attempt)  # noqa: S311  # so that two do not meet again


@dataclass(slots=True)
class _Caller:
    gone: bool = False


class _NotCommittedError(Exception):
    """The connection was lost before COMMIT was sent, so nothing was kept: on another one the work may run again. Never
    leaves this module.
    """

    def __init__(self, trouble: Exception) -> None:
        super().__init__()
        self.trouble = trouble


async def _check_server(connection: asyncpg.Connection) -> None:
    """Ask each new connection where it leads: after a failover the same address may be a standby's.

    Raises:
        ConfigError: to a server that is behind, or that acknowledges what it may lose.
    """
    settings: Row = await connection.fetchrow(durable.POSTGRES_SETTINGS)
    durable.check_primary(settings)
    durable.check_commits(settings)


async def _schema_of(connection: asyncpg.Connection) -> tuple[str | None, frozenset[str]]:
    try:
        names = await connection.fetch(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')"
        )
        tables = frozenset(row["relname"] for row in names)
        if VERSION_TABLE not in tables:
            return None, tables
        versions = await connection.fetch(READ_VERSION)
    except Exception as error:
        raise translated(error) from None
    return (versions[0]["version_num"] if len(versions) == 1 else None), tables


async def _select(connection: asyncpg.Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(sql, *arguments)
    return rows


async def _transact(connection: Connection, start: _Start, long: float) -> Any:
    """One transaction. Lets asyncpg's retried errors out as they are."""
    steps, committing = start(), False
    try:
        await connection.execute("BEGIN")
        value, publish = await _drive(connection, steps, long)
        committing = True
        await (connection.commit_and_publish() if publish else connection.execute("COMMIT"))
    except BaseException as error:
        steps.close()
        lost = not committing and isinstance(error, Exception) and _lost_by(error, connection)
        await _roll_back(connection)
        if lost and isinstance(error, Exception):
            raise _NotCommittedError(error) from None
        if not isinstance(error, Exception) or is_retried(error):
            raise
        better = translated(error)
        if better is error:
            raise
        raise better from None
    return value


def _lost_by(error: Exception, connection: asyncpg.Connection) -> bool:
    """Whether the error says that the connection is gone: server restarted, failover, or the server ended a transaction
    that waited for a process that was held up. Some of the driver's own errors are about values, and it is still there.
    """
    if not is_lost(error):
        return False
    try:
        return isinstance(error, asyncpg.PostgresError) or bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool took it back
        return True


async def _drive(connection: asyncpg.Connection, steps: Steps[Any], long: float) -> tuple[Any, bool]:
    publish = False
    patience: float | None = None  # the pool's own
    rows: Sequence[Row] = []
    try:
        step = next(steps)
        while True:
            match step:
                case Bound():
                    rows = await _rows(connection, step, patience)
                case Unless(first, then, folded):
                    rows = await _rows(connection, first if folded is None else folded, patience)
                    for bound in () if rows or folded is not None else then:
                        await _rows(connection, bound, patience)
                case Many(statement, many):
                    compiled = statement.compiled("postgresql")
                    await connection.executemany(
                        compiled.sql, [compiled.positional(params) for params in many], timeout=patience
                    )
                    rows = []
                case Publish():
                    publish, rows = True, []
                case Long():
                    patience, rows = long + _BEYOND, []
                    limit = int(long * 1000)
                    await connection.execute(
                        f"SET LOCAL statement_timeout = {limit};"
                        f" SET LOCAL idle_in_transaction_session_timeout = {limit};"
                        " SET LOCAL work_mem = '64MB'"
                    )
            step = steps.send(rows)
    except StopIteration as stop:
        return stop.value, publish


async def _rows(connection: asyncpg.Connection, bound: Bound, patience: float | None) -> Sequence[Row]:
    compiled = bound.statement.compiled("postgresql")
    rows: Sequence[Row] = await connection.fetch(
        compiled.sql, *compiled.positional(bound.params), timeout=patience
    )
    return rows


async def _roll_back(connection: asyncpg.Connection) -> None:
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
    except Exception:
        # The server rolls back what a lost connection had begun. One that the pool took back, because the server ended
        # it, answers each call with an error, which must not take the place of what was the trouble.
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.terminate()
