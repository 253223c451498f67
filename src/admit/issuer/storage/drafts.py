"""Where a new database is built before it gets its name: a folder beside it, that whoever builds there holds locked.

A process that is killed leaves its folder behind, and its lock ends with it. So the next start knows which are nobody's
any more, whatever the time or the process ids are, and takes them away; one that is in use it leaves alone. The lock is
the folder's and not the file's: SQLite loses its own locks on a file when anything else in the process closes it.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ModuleNotFoundError:  # no POSIX: nothing is locked there, and nothing swept
    LOCKS = False
else:
    LOCKS = True

_NAME: Final = "database"
_FILES: Final = tuple(f"{_NAME}{suffix}" for suffix in ("", "-wal", "-shm", "-journal"))
_TRIES: Final = 5


@contextlib.contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A new, empty file of one's own in the folder of `path`, to be linked there. Gone at the end. Raises OSError."""
    folder, lock = _folder(path)
    draft = folder / _NAME
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield draft
    finally:
        _empty(folder)
        if lock is not None:
            os.close(lock)


def clear_left(path: Path) -> None:
    """Take away what processes that are no more left of their attempts to make `path`."""
    if not LOCKS:
        return
    ours = re.compile(re.escape(f".{path.name}.new-") + "[0-9a-f]{16}")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for left in [Path(entry.path) for entry in entries if ours.fullmatch(entry.name)]:
            _clear_one(left)


def _clear_one(folder: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else's, or somebody else was first
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if is_dead(descriptor):
                _empty(folder)
        finally:
            os.close(descriptor)


def is_dead(folder: int) -> bool:
    """Whether nobody holds the open folder. It is held from here on."""
    try:
        flock(folder, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True


def _folder(path: Path) -> tuple[Path, int | None]:
    """A new folder and the lock on it. It may be taken away in the moment before it is locked: then another is made."""
    for _ in range(_TRIES):
        folder = path.with_name(f".{path.name}.new-{secrets.token_hex(8)}")
        folder.mkdir(mode=0o700)
        if not LOCKS:
            return folder, None
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            flock(descriptor, LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)
    raise FileNotFoundError(2, "the folder for a draft is taken away again and again")


def _empty(folder: Path) -> None:
    """Take it away with what SQLite puts there, and nothing else."""
    for name in _FILES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)
    with contextlib.suppress(OSError):
        folder.rmdir()
