"""A look at a database without changing it: its schema, its clock, and the settings that its durability rests on."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from admit.errors import AdmitError, ConfigError
from admit.issuer.storage import sqlite_file
from admit.issuer.storage.schema import APPLICATION_ID, READ_VERSION, TABLES, VERSION_TABLE
from admit.issuer.storage.sqlite import path_of

_ASKED: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "max_connections",
    "server_version_num",
    "is_superuser",
)
_SYNCHRONOUS: Final = ("off", "normal", "full", "extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen. `version`: of the schema, None where there is none of ours; `missing`: tables that it lacks.

    `settings`: those in force for a connection such as the issuer's. `ahead`: seconds that its clock is ahead of
    ours, None where it is the same clock; `within` is how exactly that is known. `replica`: it takes no writes.
    `standbys`: replicas that follow it, as far as this role may see. `readable`: the way to it is neither encrypted nor
    this machine's own.
    """

    version: str | None
    missing: frozenset[str]
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ahead: float | None = None
    within: float = 0.0
    replica: bool = False
    standbys: int = 0
    readable: bool = False


async def look(url: str, *, within: float = 5.0) -> Look | None:
    """Look at the database of this URL; None where there is no file of that name yet. `within` is seconds.

    Raises:
        ConfigError: no database of ours, damaged, or a role or name that it refuses.
        StorageUnavailableError: not reached.
    """
    if url.startswith("sqlite:"):
        path = path_of(url)
        return await asyncio.to_thread(_look_at_file, path, within) if path.exists() else None
    return await _look_at_postgres(url, within)


def _look_at_file(path: Path, timeout: float) -> Look:
    with open(path, "rb") as file:
        head = file.read(100)
    if not head.startswith(b"SQLite format 3\0") or int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise ConfigError(f"{path} is no database of Admit's, or damaged")
    try:
        with contextlib.closing(sqlite_file.connect(path, timeout)) as connection:
            names = {
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            version = None
            if VERSION_TABLE in names:
                rows = connection.execute(READ_VERSION).fetchall()
                version = str(rows[0][0]) if len(rows) == 1 else None
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
            (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"database {path} cannot be read ({error.sqlite_errorname})") from None
    return Look(
        version=version,
        missing=TABLES - names,
        settings={"journal_mode": journal, "synchronous": _SYNCHRONOUS[synchronous]},
    )


async def _look_at_postgres(url: str, within: float) -> Look:
    import asyncpg

    from admit.issuer.storage.postgres_errors import translated

    try:
        connection = await asyncpg.connect(
            url,
            timeout=within,
            command_timeout=within,
            server_settings={"application_name": "admit doctor", "synchronous_commit": "on"},
        )
        try:
            return await _ask(connection)
        finally:
            await connection.close(timeout=within)
    except AdmitError:
        raise
    except Exception as error:
        raise translated(error) from None


async def _ask(connection: Any) -> Look:
    names = {
        row["relname"]
        for row in await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)"
        )
    }
    version = None
    if VERSION_TABLE in names:
        rows = await connection.fetch(READ_VERSION)
        version = str(rows[0]["version_num"]) if len(rows) == 1 else None
    settings = await connection.fetch(
        "SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])", list(_ASKED)
    )
    best, ahead = float("inf"), 0.0
    for _ in range(3):  # the quickest answer tells most exactly
        began = time.time()
        told = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
        ended = time.time()
        if ended - began < best:
            best, ahead = ended - began, told - (began + ended) / 2
    way = await connection.fetchrow(
        "SELECT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted,"
        " inet_client_addr() IS NULL OR inet_client_addr() << '127.0.0.0/8'::inet"
        " OR inet_client_addr() = '::1'::inet OR inet_client_addr() = inet_server_addr() AS near,"
        " pg_is_in_recovery() AS replica, (SELECT count(*) FROM pg_stat_replication) AS standbys"
    )
    return Look(
        version=version,
        missing=TABLES - names,
        settings={row["name"]: row["setting"] for row in settings},
        ahead=ahead,
        within=best / 2,
        replica=way["replica"],
        standbys=way["standbys"],
        readable=not (way["encrypted"] or way["near"]),
    )
