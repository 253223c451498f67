"""The migrations and the stores' tables say the same, on both databases; starting loads no migration tool."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import admit.issuer
from admit.issuer.storage import Database, metadata
from admit.issuer.storage.migrate import migrate
from admit.issuer.storage.schema import HEAD, TABLES, VERSION_TABLE

pytestmark = pytest.mark.slow


def load_stores() -> None:
    """Import every module named store: each adds its tables to the one MetaData."""
    for module in pkgutil.walk_packages(admit.issuer.__path__, "admit.issuer."):
        if module.name.rpartition(".")[2] == "store" or ".store." in module.name:
            importlib.import_module(module.name)


def differences(connection: Connection) -> list[Any]:
    load_stores()
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name != VERSION_TABLE,
        },
    )
    found = compare_metadata(context, metadata)
    described = set(metadata.tables)
    # Tables whose store is not written yet are no difference; a column, key or index of a written one is.
    return [one for one in found if not (one[0] == "remove_table" and one[1].name not in described)]


def details(connection: Connection) -> list[str]:
    """What Alembic does not compare: primary keys, NOT NULL and the WHERE of an index."""
    load_stores()
    inspector = inspect(connection)
    wrong = []
    for table in metadata.tables.values():
        stored = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        described = {column.name: column.nullable for column in table.columns}
        if stored != described:
            wrong.append(f"{table.name}: {stored} is described as {described}")
        key = inspector.get_pk_constraint(table.name)["constrained_columns"]
        if key != [column.name for column in table.primary_key.columns]:
            wrong.append(f"{table.name}: key {key}")
    return wrong


async def test_the_migrated_schema_is_what_the_stores_describe(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        engine = create_engine(database_url, poolclass=NullPool)
        with engine.connect() as connection:
            found, wrong, names = (
                differences(connection),
                details(connection),
                inspect(connection).get_table_names(),
            )
        engine.dispose()
    else:
        async_engine = create_async_engine(database_url.replace("://", "+asyncpg://", 1), poolclass=NullPool)
        async with async_engine.connect() as connection_:
            found = await connection_.run_sync(differences)
            wrong = await connection_.run_sync(details)
            names = await connection_.run_sync(lambda c: inspect(c).get_table_names())
        await async_engine.dispose()
    assert found == []
    assert wrong == []
    assert set(names) - {"sqlite_sequence"} == TABLES


async def test_an_empty_database_is_at_head_after_migrating_and_stays_so(
    postgres_dsn: str, keyring: Any
) -> None:
    await migrate(postgres_dsn)
    await migrate(postgres_dsn)
    db = Database.from_url(postgres_dsn, keyring)
    await db.open()
    from admit.issuer.storage import Statement

    row = await db.one(Statement(text(f"SELECT version_num FROM {VERSION_TABLE}"))())
    await db.close()
    assert row is not None
    assert row["version_num"] == HEAD


def test_opening_an_existing_database_loads_no_migration_tool(tmp_path: Path) -> None:
    path = tmp_path / "second.db"
    program = f"""
import asyncio, sys
from admit.issuer.storage import Database, Keyring
keyring = Keyring.ensure({str(tmp_path / "keys.json")!r})
async def run():
    db = Database.from_url("sqlite:///{path}", keyring)
    await db.open()
    await db.close()
asyncio.run(run())
print("alembic" in sys.modules)
"""
    seen = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert seen == ["True", "False"]
