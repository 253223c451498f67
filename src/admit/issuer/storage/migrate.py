"""Bring a database to the schema that this version knows. Alembic is loaded here and nowhere else.

Both databases roll DDL back, so a migration that fails changes nothing. On PostgreSQL a migration is rendered to SQL
and run by asyncpg: one that moves data says so in SQL, and no second driver has to be installed.
"""

import asyncio
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic.config import Config
from alembic.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.storage.schema import HEAD, READ_VERSION, VERSION_TABLE

if TYPE_CHECKING:
    import asyncpg

_ONE_AT_A_TIME: Final = threading.Lock()  # Alembic keeps the migration under way in a global
_LOCK: Final = 0x41646D74  # any number that all our nodes share
LOCK_WITHIN: Final = timedelta(seconds=3)
"""How long a table's lock is waited for. Whoever comes later queues behind who waits, and nodes give up after 5 s."""


def upgrade_sqlite(path: Path, current: str | None) -> None:
    """Migrate one SQLite file in one transaction. `current` is only for the message. Raises ConfigError."""
    from admit.issuer.storage.sqlite_file import connect

    engine = create_engine("sqlite://", creator=lambda: connect(path, 30.0), poolclass=NullPool)
    # sqlite3 would open its transactions too late for DDL, and without taking the writer's lock.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            _upgrade({"connection": connection})
    except CommandError:
        raise ConfigError(f"database {path} has a schema that this Admit does not know ({current})") from None
    finally:
        engine.dispose()


async def migrate(url: str) -> None:
    """Migrate a PostgreSQL database to `HEAD`; of several nodes at once, one does it. SQLite migrates when opened.

    Raises:
        ConfigError: a schema that this version does not know, or no such database.
        StorageUnavailableError: not reached, or a table is in somebody's use for longer than `LOCK_WITHIN`.
    """
    import asyncpg

    from admit.issuer.storage.postgres_errors import translated

    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                script = await asyncio.to_thread(_script, await _version(connection))
                if script.strip():
                    limit = int(LOCK_WITHIN.total_seconds() * 1000)
                    await connection.execute(f"SET LOCAL lock_timeout = {limit}")
                    await connection.execute(script)
        finally:
            await connection.close(timeout=10)
    except asyncpg.DuplicateTableError:
        raise ConfigError(
            "the PostgreSQL database holds tables with the names of Admit's, and no version of them: "
            "give Admit a database of its own, or restore the backup; nothing was changed"
        ) from None
    except asyncpg.LockNotAvailableError:
        raise StorageUnavailableError(
            "another transaction, such as a backup's, holds a table for long: nothing was changed; run it again "
            "when that is over"
        ) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise translated(error) from None


async def _version(connection: "asyncpg.Connection") -> str | None:
    if await connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
        return None
    rows = await connection.fetch(READ_VERSION)
    if len(rows) != 1:
        raise ConfigError(
            "the PostgreSQL database is half-migrated: restore the backup made before; nothing was changed"
        )
    return str(rows[0]["version_num"])


def _script(current: str | None) -> str:
    """The SQL that leads from `current` (None: nothing yet) to HEAD. Raises ConfigError when there is no way."""
    text = StringIO()
    try:
        _upgrade(
            {"dialect_name": "postgresql", "output_buffer": text, "transactional_ddl": False},
            as_sql=True,
            starting_rev=current,
        )
    except CommandError:
        raise ConfigError(
            f"the PostgreSQL database has a schema that this Admit does not know ({current})"
        ) from None
    return text.getvalue()


def _upgrade(target: dict[str, Any], **environment_options: Any) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)

    def steps(current: Any, context: MigrationContext) -> Any:
        return script._upgrade_revs(HEAD, current)

    with (
        _ONE_AT_A_TIME,
        EnvironmentContext(
            config, script, fn=steps, destination_rev=HEAD, **environment_options
        ) as environment,
    ):
        environment.configure(**{"version_table": VERSION_TABLE, "transactional_ddl": True, **target})
        environment.run_migrations()
