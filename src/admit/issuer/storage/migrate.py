"""Bring a database to the schema that this version knows. Alembic is loaded here and nowhere else.

Both databases roll DDL back, so a migration that fails changes nothing.
"""

import asyncio
import threading
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.pool import NullPool

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.storage.schema import HEAD, VERSION_TABLE

_ONE_AT_A_TIME: Final = threading.Lock()
_LOCK: Final = 0x41646D74  # any number that all our nodes share


def upgrade_sqlite(path: Path, current: str | None) -> None:
    """Migrate one SQLite file in one transaction. `current` is only for the message."""
    # Alembic keeps the migration under way in a global.
    with _ONE_AT_A_TIME:
        _upgrade_file(path, current)


def _upgrade_file(path: Path, current: str | None) -> None:
    from admit.issuer.storage.sqlite_file import connect

    engine = create_engine("sqlite://", creator=lambda: connect(path, 30.0), poolclass=NullPool)
    # sqlite3 would open its transactions too late for DDL, and without taking the writer's lock.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except CommandError:
        raise ConfigError(f"database {path} has a schema that this Admit does not know ({current})") from None
    finally:
        engine.dispose()


async def migrate(url: str) -> None:
    """Migrate a PostgreSQL database to `HEAD`; of several nodes at once, one does it. SQLite migrates when opened.

    Raises:
        ConfigError: a schema that this version does not know, or no such database.
        StorageUnavailableError: not reached.
    """
    await asyncio.to_thread(_migrate_in_thread, url)


def _migrate_in_thread(url: str) -> None:
    with _ONE_AT_A_TIME:
        asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    from admit.issuer.storage.postgres import translated

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url, timeout=10), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(_upgrade)
    except CommandError:
        raise ConfigError("the PostgreSQL database has a schema that this Admit does not know") from None
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != "42P07":
            raise
        raise ConfigError(
            "the PostgreSQL database holds tables with the names of Admit's, and no version of them: "
            "give Admit a database of its own, or restore the backup; nothing was changed"
        ) from None
    except DBAPIError as error:
        raise StorageUnavailableError(f"PostgreSQL: {getattr(error.orig, 'sqlstate', None)}") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise translated(error) from None
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)

    def steps(current: object, context: MigrationContext) -> object:
        return script._upgrade_revs(HEAD, current)  # type: ignore[arg-type]

    with EnvironmentContext(config, script, fn=steps, destination_rev=HEAD) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
        environment.run_migrations()
