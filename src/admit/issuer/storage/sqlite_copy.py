"""Backups of SQLite: a copy of a database in use, as it is at one moment, and the way of a copy back into use.

A backup is one file with a row that says what it is, so that it is never served by mistake: only `take_up` removes it.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.storage import identity, mark
from admit.issuer.storage.durable import make_durable
from admit.issuer.storage.keyring import Keyring
from admit.issuer.storage.mark import Mark
from admit.issuer.storage.placing import place, sync_folder
from admit.issuer.storage.schema import HEAD
from admit.issuer.storage.sqlite_file import DamagedError, connect, recognise, version_of

PAGES_AT_ONCE: Final = 256  # a megabyte; between two such steps others have their turn
_BESIDE: Final = ("-wal", "-shm", "-journal")
# What each of SQLite's connections holds a share of while it is open: its "pending", "reserved" and "shared" bytes.
_LOCK_START, _LOCK_BYTES = 0x40000000, 512


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was seen to be whole. `at`: when it was made, in seconds since the epoch, if it says so."""

    path: Path
    schema: str
    how_far: Mark
    users: int
    size: int
    at: float | None


def back_up(source: Path, target: Path, keyring: Keyring, *, now: float, busy_timeout: float) -> Copy:
    """Copy a database that may be in use to `target`, which gets its name when it is whole, checked and flushed.

    Raises:
        ConfigError: no such database, a damaged one, another's key file, or no room; `target` is not there then.
        StorageUnavailableError: another process held the database for longer than `busy_timeout` seconds.
    """
    recognise(source)
    with _draft_for(target) as draft, _told_as(f"backup {target}"):
        _copy_moment(source, draft, busy_timeout)
        with contextlib.closing(_alone(draft)) as connection:
            _write_row(connection, now)
            made = _checked(connection, draft, source, keyring, at=now)
        _flush(draft)
        place(draft, target)
    return replace(made, path=target)


def take_up(source: Path, target: Path, keyring: Keyring) -> Copy:
    """A private copy of the backup `source` beside `target`, whole, of this key file, with the schema of now.

    Raises:
        ConfigError: it is none of that, or there is no room.
    """
    recognise(source)
    if target.exists() and os.path.samefile(source, target):
        raise ConfigError(f"{source} is the database itself: name a backup of it")
    check_unused(source)  # copied while it is written to, it would come out torn
    with _told_as(f"a copy of {source}"):
        draft = _new_draft(target)
        try:
            for suffix in ("", "-wal"):  # a plain copy of the files of a stopped issuer will do, too
                if os.path.exists(f"{source}{suffix}"):
                    shutil.copyfile(f"{source}{suffix}", f"{draft}{suffix}")
                    os.chmod(f"{draft}{suffix}", 0o600)
            return _taken_up(draft, source, keyring)
        except BaseException:
            discard(draft)
            raise


def _taken_up(draft: Path, source: Path, keyring: Keyring) -> Copy:
    with contextlib.closing(_alone(draft)) as connection:
        made = _checked(connection, draft, source, keyring, at=_read_row(connection))
        connection.execute("DELETE FROM meta WHERE key = ?", (identity.BACKUP,))
    if made.schema != HEAD:
        from admit.issuer.storage.migrate import upgrade_sqlite  # Alembic is not for every start

        upgrade_sqlite(draft, made.schema)
    return made


def put_in_place(draft: Path, target: Path) -> Path | None:
    """Name `draft` `target`; where what was there lies now, None if nothing was.

    At no moment does a start find an empty place and make a new database there: the mark tells that there was one.

    Raises:
        ConfigError: somebody uses the database; OSError.
    """
    with contextlib.closing(_alone(draft)) as connection:
        how_far = mark.of(connection)
    if how_far is None:  # it was opened, so it has been given its canary
        raise ConfigError(f"database {draft} was never opened")
    _give_to_owner(draft, target)
    _flush(draft)
    aside = target.with_name(f"{target.name}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    if not target.exists():
        logs_aside(target, aside)
        place(draft, target)
        _write_mark(target, how_far)
        return None
    with in_nobodys_hands(target):
        if not mark.beside(target).exists():
            mark.write(target, Mark(how_far.database, 0, 0, 0))
        place_aside(target, aside)
        place(draft, target)
    _write_mark(target, how_far)
    return aside


def _give_to_owner(draft: Path, target: Path) -> None:
    """Restored by root, the database is still the service's."""
    if os.name == "posix" and os.geteuid() == 0:
        about = os.stat(target if target.exists() else target.parent)
        os.chown(draft, about.st_uid, about.st_gid)


def place_aside(target: Path, aside: Path) -> None:
    """Rename a database with all that lies beside it."""
    if os.path.lexists(aside):
        raise ConfigError(f"{aside} is there already: try again in a second; nothing was changed")
    os.rename(target, aside)
    logs_aside(target, aside)


def logs_aside(target: Path, aside: Path) -> None:
    """The logs of a database that was lost, too: SQLite would take them for the new one's and write them into it."""
    for suffix in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{target}{suffix}", f"{aside}{suffix}")
    sync_folder(target.parent)


def discard(draft: Path) -> None:
    """Remove a copy that is of no use, and what lies beside it. Harmless when it is gone."""
    for suffix in ("", *_BESIDE, mark.SUFFIX):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{draft}{suffix}")


def check_same_database(target: Path, copy: Copy) -> None:
    """Raises ConfigError when another database than the copy's lies, or lay, at `target`."""
    names = {_kept_name(target), _name_at(target)} - {None}
    if names - {copy.how_far.database}:
        raise ConfigError(
            f"this is a backup of another database than the one at {target}: move that away first, with "
            f"{mark.beside(target).name}, if it is to be replaced; nothing was changed"
        )


def _kept_name(target: Path) -> str | None:
    with contextlib.suppress(ConfigError):  # a damaged mark says nothing
        kept = mark.read(target)
        return kept.database if kept is not None else None
    return None


def _name_at(target: Path) -> str | None:
    if not target.exists():
        return None
    with contextlib.suppress(DamagedError, sqlite3.Error):
        recognise(target)
        with contextlib.closing(connect(target, 1.0)) as connection:
            found = mark.of(connection)
            return found.database if found is not None else None
    return None


@contextlib.contextmanager
def in_nobodys_hands(path: Path) -> Iterator[None]:
    """Hold off all other processes from a SQLite file. It need not be whole.

    Until the end of the block this process must not close the file by another way: that would let go of the lock.

    Raises:
        ConfigError: another process has it open.
    """
    if os.name != "posix":  # elsewhere the system itself refuses to rename a file that is open
        yield
        return
    import fcntl

    with open(path, "r+b" if os.access(path, os.W_OK) else "rb") as file:
        how = fcntl.LOCK_EX if file.writable() else fcntl.LOCK_SH
        try:
            fcntl.lockf(file, how | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_START)
        except OSError:
            raise ConfigError(
                f"database {path} is in use: stop every process that serves it first; nothing was changed"
            ) from None
        yield


def check_unused(path: Path) -> None:
    """Raises ConfigError where another process has this database open; there need be none."""
    if path.exists():
        with in_nobodys_hands(path):
            return


def check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Raises ConfigError unless SQLite finds every page, index and constraint of the database right."""
    if connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        raise DamagedError(path)


def _checked(
    connection: sqlite3.Connection, draft: Path, source: Path, keyring: Keyring, *, at: float | None
) -> Copy:
    """Raises ConfigError unless the copy is whole and of this key file."""
    schema = version_of(connection, source)
    check_pages(connection, source)
    (canary,) = connection.execute(
        "SELECT (SELECT value FROM meta WHERE key = ?)", (identity.CANARY,)
    ).fetchone()
    how_far = mark.of(connection)
    if canary is None or how_far is None:
        raise ConfigError(f"database {source} was never used: there is nothing in it")
    identity.open_canary(keyring, canary)
    (users,) = connection.execute("SELECT count(*) FROM user_account").fetchone()
    return Copy(draft, schema or "", how_far, users, os.path.getsize(draft), at)


def _copy_moment(source: Path, draft: Path, busy_timeout: float) -> None:
    with (
        contextlib.closing(connect(source, busy_timeout)) as reader,
        contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as writer,
    ):
        # One moment for all steps: without it the copy would begin anew at each commit of somebody else.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reader.backup(writer, pages=PAGES_AT_ONCE)
        reader.execute("ROLLBACK")


def _alone(draft: Path) -> sqlite3.Connection:
    """A connection to a copy of our own, which keeps all of it in one file."""
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        make_durable(connection, draft)
    except BaseException:
        connection.close()
        raise
    return connection


def _write_row(connection: sqlite3.Connection, now: float) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (identity.BACKUP, str(now)))


def _read_row(connection: sqlite3.Connection) -> float | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (identity.BACKUP,)).fetchone()
    return float(row[0]) if row is not None else None


def _write_mark(target: Path, how_far: Mark) -> None:
    with contextlib.suppress(OSError):  # without it an older copy would not be noticed; the database is right
        mark.write(target, how_far)


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _new_draft(target: Path) -> Path:
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return draft


@contextlib.contextmanager
def _draft_for(target: Path) -> Iterator[Path]:
    if os.path.lexists(target):
        raise ConfigError(f"{target} is there already, and is not written over: name another file")
    try:
        draft = _new_draft(target)
        try:
            yield draft
        finally:
            discard(draft)
    except FileExistsError:
        raise ConfigError(f"{target} is there already, and is not written over: name another file") from None
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _told_as(what: str) -> Iterator[None]:
    """SQLite's errors while a copy is made, in one line."""
    try:
        yield
    except sqlite3.OperationalError as error:
        name = error.sqlite_errorname
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StorageUnavailableError("SQLite: another process holds the database") from None
        why = "the disk is full" if name == "SQLITE_FULL" else name
        raise ConfigError(f"{what} cannot be made ({why}); nothing of it was left") from None
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{what} cannot be made: damaged ({error.sqlite_errorname})") from None
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigError(f"{what} cannot be made: {error.strerror}") from None
