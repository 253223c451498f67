"""How far a SQLite file had come when it was last used, kept in a small file beside it.

A database cannot tell that it is an older copy of itself. So a process writes down, some seconds after the fact, which
database it uses and how far that has come; and none takes up a file that is behind what was written down. The mark is
never ahead of what was committed, so it accuses nobody falsely.
"""

import json
import os
import secrets
import sqlite3
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from admit.errors import ConfigError

SUFFIX: Final = "-mark"
_LONGEST: Final = 4_096
# The greatest index ever given outlives the rows themselves.
_HOW_FAR: Final = (
    "SELECT (SELECT value FROM meta WHERE key = 'keyring_canary') AS canary, epoch, seq,"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'node'), 0) AS idx FROM status_head"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """`database` names the database: its copies have the same. `epoch` and `seq` are its head, `idx` the greatest index
    it gave to a session or grant."""

    database: str
    epoch: int
    seq: int
    idx: int

    def is_behind(self, other: "Mark") -> bool:
        """Whether something that `other` tells of is not known here. A higher epoch makes up for all of it."""
        if self.epoch != other.epoch:
            return self.epoch < other.epoch
        return self.seq < other.seq or self.idx < other.idx


def beside(path: Path) -> Path:
    """Where the mark of this database lies."""
    return path.with_name(path.name + SUFFIX)


def name_of(canary: str) -> str:
    """A database's own name: made once with it, and in all of its copies."""
    return sha256(canary.encode()).hexdigest()[:32]


def of(connection: sqlite3.Connection) -> Mark | None:
    """How far a database has come; None for one that has not been opened with a key file yet. Raises sqlite3.Error."""
    row = connection.execute(_HOW_FAR).fetchone()
    if row is None or row[0] is None:
        return None
    return Mark(name_of(row[0]), int(row[1]), int(row[2]), int(row[3]))


def read(path: Path) -> Mark | None:
    """What was written down of the database at `path`; None where nothing was.

    Raises:
        ConfigError: it cannot be read, so that nothing can be said of the database.
    """
    place = beside(path)
    try:
        with open(place, "rb") as file:
            text = file.read(_LONGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{place} cannot be read: {error.strerror}") from None
    try:
        told: Any = json.loads(text)
        return Mark(str(told["database"]), int(told["epoch"]), int(told["seq"]), int(told["idx"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(
            f"{place} is damaged, so that nobody can tell whether database {path} is an older copy: "
            "restore a backup with `admit restore`, or remove it if you know that the database is the newest"
        ) from None


def epoch_of(path: Path) -> int:
    """The epoch that was written down, and that verifiers may have seen; 0 where nothing is, or nothing to be read."""
    try:
        kept = read(path)
    except ConfigError:
        return 0
    return kept.epoch if kept is not None else 0


def write(path: Path, mark: Mark) -> None:
    """Write it down: all of it or nothing. Belongs to whom the database belongs to. Raises OSError."""
    place = beside(path)
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(asdict(mark)).encode() + b"\n")
            file.flush()
            _give_to_owner(file.fileno(), path)
            os.fsync(file.fileno())
        os.replace(draft, place)
    finally:
        draft.unlink(missing_ok=True)


def _give_to_owner(descriptor: int, path: Path) -> None:
    """A command of root's must not leave a file that the service cannot read."""
    if os.name == "posix" and os.geteuid() == 0:
        about = os.stat(path)
        os.fchown(descriptor, about.st_uid, about.st_gid)


def check_not_lost(path: Path) -> None:
    """Raises ConfigError when there was a database where none is now: an empty one must not take its place."""
    kept = read(path)
    if kept is not None:
        raise ConfigError(
            f"database {path} is gone, and there was one: put it back, or restore a backup with `admit restore`; "
            f"to begin anew without its users remove {beside(path)}"
        )


def check_same(path: Path, kept: Mark, found: Mark) -> None:
    """Raises ConfigError when another database lies where this one was."""
    if kept.database != found.database:
        raise ConfigError(
            f"database {path} is another one than was there before: put that back; "
            f"to use this one from now on remove {beside(path)}; nothing was changed"
        )


def check_forward(path: Path, kept: Mark, found: Mark) -> None:
    """Raises ConfigError when a database is behind what was written down of it: an older copy, or a lost log."""
    if found.is_behind(kept):
        raise ConfigError(
            f"database {path} is older than when it was last used (it knows {_told(found)} and knew {_told(kept)}): "
            "put the newer file back, or take up this one with `admit epoch raise`, which signs everybody out; "
            "nothing was changed"
        )


def _told(mark: Mark) -> str:
    return f"{mark.epoch}.{mark.seq}, index {mark.idx}"
