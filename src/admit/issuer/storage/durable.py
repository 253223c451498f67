"""Whether a database keeps what it acknowledged: revocations, rotated refresh tokens and spent codes rest on it."""

import sqlite3
from pathlib import Path
from typing import Final

from admit.errors import ConfigError
from admit.issuer.storage.statement import Row

FULL: Final = 2  # PRAGMA synchronous
POSTGRES_SETTINGS: Final = (
    "SELECT current_setting('synchronous_commit') AS synchronous_commit, pg_is_in_recovery() AS standby"
)
_KEPT: Final = frozenset({"on", "remote_apply"})


def make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Have each COMMIT flushed to the disk before it is acknowledged. Raises ConfigError where that cannot be had."""
    connection.execute("PRAGMA synchronous = FULL")
    # macOS: an ordinary fsync leaves the data in the drive's own memory. Elsewhere these do nothing.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    check_flushed(connection.execute("PRAGMA synchronous").fetchone()[0], path)


def check_flushed(synchronous: int, path: Path) -> None:
    """Raises ConfigError where a COMMIT is acknowledged before the disk has it."""
    if synchronous < FULL:
        raise ConfigError(f"database {path}: this SQLite does not flush what it commits")


def check_commits(settings: Row) -> None:
    """Raises ConfigError where PostgreSQL acknowledges what it may still lose. `settings`: POSTGRES_SETTINGS' row."""
    commit = settings["synchronous_commit"]
    if commit not in _KEPT:
        raise ConfigError(
            f"the PostgreSQL database acknowledges commits that it may lose (synchronous_commit = {commit}, although "
            "Admit asks for on): let what stands between pass it on, such as a pooler's ignore_startup_parameters, "
            "or ALTER ROLE ... SET synchronous_commit = on"
        )


def check_primary(settings: Row) -> None:
    """Raises ConfigError for a standby: it is behind, and takes no writes."""
    if settings["standby"]:
        raise ConfigError(
            "the PostgreSQL database is a standby: give the primary's address, or all of them with "
            "target_session_attrs=primary in the URL"
        )
