"""Files that nobody but this user can have written: read with suspicion, replaced whole."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from admit.errors import ConfigError

try:
    import fcntl
except ImportError:  # pragma: no cover  (not a POSIX system: `check_folder` says so)
    fcntl = None  # type: ignore[assignment]  # asked for before each use


class NotOursError(Exception):
    """A file that somebody else owns or may write to, or that is no plain file."""


def check_folder(folder: Path) -> None:
    """Hold that only this user can put files there.

    Raises:
        ConfigError: no such folder, somebody else's, or writable by others.
    """
    if fcntl is None:
        raise ConfigError("state_dir needs a POSIX system")
    try:
        found = folder.stat()
    except OSError:
        raise ConfigError("state_dir is not a folder that can be read: make it, with mode 700") from None
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError("state_dir is not a folder")
    if not is_ours(found):
        raise ConfigError("state_dir has to belong to this user and be writable by nobody else: chmod 700")


def is_ours(found: os.stat_result) -> bool:
    """Whether this user owns it and nobody else may write to it: what stands in it is believed, keys included."""
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read(path: Path, limit: int) -> bytes | None:
    """The content; None where there is no such file.

    Raises:
        NotOursError: it cannot be believed.
        OSError: it cannot be read, or is larger than `limit`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not is_ours(found):
            raise NotOursError
        if found.st_size > limit:
            raise OSError("the file is too large")
        return file.read(limit)


def replace(path: Path, content: bytes) -> None:
    """Write with mode 600, and put it in place at once and for good.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def turn(path: Path) -> Iterator[bool]:
    """Whether it is this process's turn to write: of several workers one writes, and the others need not."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            try:
                yield True
            finally:
                # Closing is not enough: a child forked meanwhile has the descriptor too, and with it the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
