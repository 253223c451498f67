"""`FileEndStore`: ends in one file that all workers of a machine append to and read."""

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from math import floor
from pathlib import Path

from admit.errors import ConfigError, EndStoreError
from admit.verifier.boottime import boottime
from admit.verifier.ends import lines, place
from admit.verifier.ends.end import End
from admit.verifier.ends.store import KEEP, LIMIT, PolledEndStore

_LOG = logging.getLogger("admit.verifier")
_LOCK_WAIT = 2.0
_SPARE_LINES = 1_000
_GRACE = 1.2
"""Seconds for which a missing file is left to those who may remember what it held."""
_FLAGS = os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class FileEndStore(PolledEndStore):
    """Ends in a file on a local disk, for all workers of one machine.

    `add` returns once they are on the disk (fsync); every process reads what is new each `poll`. One that could not
    read for `max_staleness` answers 503. The file is made with mode 0600; one that others can write is refused, and so
    is a folder in which they could replace it. A line that a crash left half written was never acknowledged and is
    dropped; damage anywhere else makes the store unreadable. What is over is dropped when the file has grown to twice
    what is needed.

    **When the file vanishes**, processes that still run write it again with what they hold, and nothing is forgotten.
    Where none is left that read it within `max_staleness`, ends may be missing: so tokens issued before the file was
    begun anew are refused with 401, and their holders refresh them once. The first start without a file is the same
    case, so it belongs on a disk that outlives restarts and deployments.

    `keep` is the longest life of a token, at least. Over `limit` ends no more are taken, with an error, and
    of one issuer no more than half of what the others leave of it. Needs POSIX locks, so not on Windows, nor on network
    file systems.

    Raises:
        ConfigError: a duration out of range, or a place that others can write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keep: timedelta = KEEP,
        limit: int = LIMIT,
        poll: timedelta = timedelta(milliseconds=200),
        max_staleness: timedelta = timedelta(seconds=10),
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = boottime,
    ) -> None:
        self.path = Path(path).absolute()
        self._lock_path = self.path.with_name(self.path.name + ".lock")
        self._new_path = self.path.with_name(self.path.name + ".new")
        self._name = ""
        self._seen: tuple[int, ...] | None = None
        self._offset = 0
        self._lines = 0
        self._begun_late = False
        super().__init__(
            keep=keep, limit=limit, poll=poll, max_staleness=max_staleness, wall=wall, boottime=boottime
        )
        try:
            place.check_folder(self.path.parent)
            if os.path.lexists(self.path):
                place.check_file(os.lstat(self.path))
        except EndStoreError as error:
            raise ConfigError(f"FileEndStore: {error.detail}") from None
        except OSError:
            raise ConfigError("FileEndStore: the file cannot be looked at") from None

    def __repr__(self) -> str:
        return f"FileEndStore({str(self.path)!r})"

    def _after_fork(self) -> None:
        self._name, self._seen, self._offset, self._lines = "", None, 0, 0
        super()._after_fork()

    def _read(self) -> None:
        with _translated():
            try:
                status = os.stat(self.path, follow_symlinks=False)
            except FileNotFoundError:
                status = None
            if status is None:
                self._leave_to_others()
            elif _look(status) == self._seen or not (self._catch_up() or self._begun_late):
                return
            self._name = ""  # another may mend it first: with the lock it is read as a whole again
            with self._locked():
                self._settle()

    def _write(self, ends: Sequence[End]) -> bool:
        with _translated():
            if not os.path.lexists(self.path):
                self._leave_to_others()
            elif not self._name:
                # All of it, before the lock: whoever holds that for long keeps the others from writing. Who writes
                # meanwhile may cut off half a line that was read already, so with the lock alone is it damage.
                with suppress(EndStoreError):
                    self._read()
            return self._write_locked(ends)

    def _write_locked(self, ends: Sequence[End]) -> bool:
        with self._locked():
            self._settle()
            new = self._new(ends)
            if not new:
                return False
            self._append(new)
            self._held.take(new)
            if self._lines > 2 * len(self._held) + _SPARE_LINES:
                self._rewrite()
            return True

    def _settle(self) -> None:
        """Read all that is new and see that the file has all that is held. The lock is held."""
        if not os.path.lexists(self.path):
            if not self._remembers():
                _LOG.warning("there is no file of a store of ends: it is new, or it was lost; begun anew")
                self._held.take((), since=floor(self._wall()))
            self._rewrite()
            return
        lost = self._catch_up()
        if self._begun_late:
            self._rewrite()
        elif lost:
            self._append(lost)

    def _remembers(self) -> bool:
        """Whether all is held here that the file had a moment ago."""
        age = self.age()
        return age is not None and 0 <= age <= self.bound

    def _leave_to_others(self) -> None:
        """A file that is missing where one was: first those may write it again who remember what it held."""
        if not self._remembers() and os.path.lexists(self._lock_path):
            time.sleep(_GRACE)

    def _catch_up(self) -> list[End]:
        """Read what is new in the file; of another file than before, what it lacks of all that is held."""
        descriptor = os.open(self.path, os.O_RDONLY | _FLAGS)
        try:
            status = os.fstat(descriptor)
            place.check_file(status)
            name, since = lines.opening(os.pread(descriptor, lines.HEADER_SIZE, 0))
            anew = name != self._name or status.st_size < self._offset
            start = lines.HEADER_SIZE if anew else self._offset
            data = _read_from(descriptor, start, lines.MAX_FILE)
        finally:
            os.close(descriptor)
        found, good = lines.read(data)
        self._begun_late = anew and self._remembers() and self.view.since < since
        self._held.take(found, since=self.view.since if self._begun_late or not anew else since)
        self._name, self._offset, self._seen = name, start + good, _look(status)
        self._lines = len(found) + (0 if anew else self._lines)
        if not anew:
            return []
        there = frozenset(found)
        soon = self._wall() + 60  # others may have dropped what is over by now
        return [end for end in self._held.all() if end.until > soon and end not in there]

    def _append(self, ends: Sequence[End]) -> None:
        """Add lines after the last good one, and see them to the disk. The lock is held, and all was read."""
        data = lines.write(ends)
        descriptor = os.open(self.path, os.O_RDWR | _FLAGS)
        try:
            place.check_file(os.fstat(descriptor))
            os.ftruncate(descriptor, self._offset)  # what a crash left half written
            try:
                _write_at(descriptor, data, self._offset)
                see_to_disk(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, self._offset)
                raise
        finally:
            os.close(descriptor)
        self._offset += len(data)
        self._lines += len(ends)

    def _rewrite(self) -> None:
        """A new file with what is held, in the place of the old one. The lock is held, and all was read."""
        held, name = list(self._held.all()), secrets.token_hex(lines.NAME_SIZE // 2)
        data = lines.header(name, int(self.view.since)) + lines.write(held)
        with suppress(FileNotFoundError):
            os.unlink(self._new_path)
        descriptor = os.open(self._new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        try:
            _write_at(descriptor, data, 0)
            see_to_disk(descriptor)
        finally:
            os.close(descriptor)
        os.rename(self._new_path, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            see_to_disk(folder)
        finally:
            os.close(folder)
        self._name, self._offset, self._lines, self._begun_late = name, len(data), len(held), False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The one writer among all processes. A lock beside the file, since the file itself is replaced."""
        import fcntl  # POSIX only; the rest of the package loads elsewhere too

        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        try:
            place.check_file(os.fstat(descriptor))
            deadline = time.monotonic() + _LOCK_WAIT
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise EndStoreError("the file of a store of ends stays locked") from None
                    time.sleep(0.005)
            try:
                yield
            finally:
                # Closing is not enough: a child forked meanwhile has the descriptor too, and with it the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    """What the file system says as EndStoreError, without its words: they quote the path."""
    try:
        yield
    except OSError as error:
        raise EndStoreError(f"the file of a store of ends: {type(error).__name__}") from error
    except ImportError:
        raise EndStoreError("this system has no file locks: use another store of ends") from None


def _look(status: os.stat_result) -> tuple[int, ...]:
    """What is different once a file was written to, or replaced."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def see_to_disk(descriptor: int) -> None:
    """Return once the disk has it. Only then is an end acknowledged."""
    os.fsync(descriptor)


def _read_from(descriptor: int, start: int, limit: int) -> bytes:
    parts: list[bytes] = []
    while start < limit:
        part = os.pread(descriptor, 1 << 20, start)
        if not part:
            return b"".join(parts)
        parts.append(part)
        start += len(part)
    raise EndStoreError("the file of a store of ends is too large")


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
