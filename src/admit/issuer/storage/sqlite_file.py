"""The SQLite file itself: made whole, recognised before it is touched, migrated when it is older."""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.storage import mark
from admit.issuer.storage.drafts import clear_left, draft_of
from admit.issuer.storage.durable import make_durable
from admit.issuer.storage.placing import place
from admit.issuer.storage.schema import APPLICATION_ID, HEAD, READ_VERSION, TABLES, VERSION_TABLE

_SMALLEST: Final = 512  # bytes; SQLite has no smaller page
_LEFTOVERS: Final = ("-wal", "-journal")
_QUICK: Final = (
    16 * 1024 * 1024
)  # up to this size every page is looked at; it takes some hundredths of a second


def connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection to an existing file; it never makes one. `busy_timeout` is seconds."""
    connection = _plain(path, busy_timeout)
    connection.row_factory = sqlite3.Row
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise ConfigError(
                f"database {path}: its file system lacks what WAL needs: put it on a local disk"
            )
        make_durable(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def place_of(path: Path) -> tuple[int, int]:
    """Which file this path leads to. Raises StorageUnavailableError."""
    try:
        about = os.stat(path)
    except OSError:
        raise StorageUnavailableError("SQLite: the file is gone") from None
    return about.st_dev, about.st_ino


def check_in_place(path: Path, place: tuple[int, int]) -> None:
    """Raises StorageUnavailableError when the path leads elsewhere than it did: what is committed to a file that has no
    name any more is lost when it is closed, and must not be acknowledged."""
    if place_of(path) != place:
        raise StorageUnavailableError("SQLite: the file was replaced while it was in use")


def prepare(path: Path, busy_timeout: float) -> None:
    """Make the file when there is none, else see that it is ours and whole, and migrate it when it is older.

    Raises:
        ConfigError: it cannot be used as it is; nothing was changed.
        StorageUnavailableError: another process held it for longer than `busy_timeout` seconds.
    """
    clear_left(path)
    if not os.path.lexists(path):
        mark.check_not_lost(path)
        _create(path, busy_timeout)
    _check_there(path)
    _check_writable(path)
    recognise(path, busy_timeout)
    with told(path), contextlib.closing(connect(path, busy_timeout)) as connection:
        current = version_of(connection, path)
        if current != HEAD:
            # Deferred: Alembic costs a good part of a second, and most starts have nothing to migrate.
            from admit.issuer.storage.migrate import upgrade_sqlite

            upgrade_sqlite(path, current)
            current = version_of(connection, path)
        check_whole(current, _tables(connection), f"database {path}")
        if (
            os.path.getsize(path) <= _QUICK
            and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"
        ):
            raise DamagedError(path)


def check_whole(version: str | None, tables: frozenset[str], name: str) -> None:
    """Raises ConfigError unless the schema is exactly the one that this version of Admit works with."""
    if version is not None and version > HEAD:
        raise ConfigError(
            f"{name} was migrated by a newer Admit (schema {version}, this one knows {HEAD}): "
            "upgrade Admit, or restore the backup made before; nothing was changed"
        )
    missing = sorted(TABLES - tables)
    if version != HEAD or missing:
        lack = f"; missing {', '.join(missing[:3])}" if missing else ""
        raise ConfigError(
            f"{name} is half-migrated (schema {version or 'unknown'}{lack}): "
            "restore the backup made before the migration; nothing was changed"
        )


def _create(path: Path, busy_timeout: float) -> None:
    """Build the database under another name and give it its own when it is complete.

    So a crash half-way, or two processes at once, never leave an unfinished or an empty database behind.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"database {path}: its folder does not exist: make it, or set another database")
    for suffix in _LEFTOVERS:
        if os.path.lexists(f"{path}{suffix}"):
            raise ConfigError(
                f"database {path} is gone but its log {path}{suffix} is there: "
                "restore the file, or remove the log to begin anew; nothing was changed"
            )
    from admit.issuer.storage.migrate import upgrade_sqlite

    try:
        with draft_of(path) as draft:
            with contextlib.closing(connect(draft, busy_timeout)) as connection:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            upgrade_sqlite(draft, None)
            with contextlib.suppress(FileExistsError):  # another process was first: its file is as good
                place(draft, path)
    except OSError as error:
        raise ConfigError(f"database {path} cannot be made: {error.strerror}") from error


def recognise(path: Path, busy_timeout: float = 5.0) -> None:
    """See that a file is a database of ours before anything in it is changed.

    SQLite itself is asked, and the file is not opened by another way: closing it would let go of the locks that other
    connections of this process hold.

    Raises:
        ConfigError: not there, or another program's; DamagedError: empty or damaged.
        StorageUnavailableError: another process held it for longer than `busy_timeout` seconds.
    """
    _check_there(path)
    with told(path), contextlib.closing(_plain(path, busy_timeout)) as connection:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found != APPLICATION_ID:
        raise ConfigError(
            f"database {path} belongs to another program: set another database; nothing was changed"
        )


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors about a file, in one line."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StorageUnavailableError("SQLite: another process holds the database") from error
        raise ConfigError(
            f"database {path} cannot be used ({error.sqlite_errorname}); nothing was changed"
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # its words quote what it found
        raise DamagedError(path) from error


def _plain(path: Path, busy_timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )


def _check_there(path: Path) -> None:
    """Raises ConfigError unless there is a file that may be read, and is no empty one."""
    try:
        about = os.stat(path)
    except OSError as error:
        raise ConfigError(f"database {path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode) or not os.access(path, os.R_OK):
        raise ConfigError(f"database {path} cannot be read: it is no file, or others' alone")
    if about.st_size < _SMALLEST:
        raise DamagedError(path)  # SQLite would take it for a new database


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK):
        raise ConfigError(f"database {path} cannot be written: check its permissions")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(
            f"database {path}: its folder cannot be written, and SQLite keeps its log there: check its permissions"
        )


def version_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """The schema of a database; older ones than ours pass. Raises ConfigError for what is no schema of ours."""
    tables = _tables(connection)
    if VERSION_TABLE not in tables:
        check_whole(None, tables, f"database {path}")
    rows = connection.execute(READ_VERSION).fetchall()
    version = str(rows[0][0]) if len(rows) == 1 else None
    if version is None or version > HEAD:
        check_whole(version, tables, f"database {path}")
    return version


def _tables(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    )


class DamagedError(ConfigError):
    """SQLite can make no sense of a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"database {path} is empty or damaged: restore a backup with `admit restore`, "
            "or move it away to begin anew"
        )
