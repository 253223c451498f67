"""Where ends are kept: the protocol, and the thread that reads a store which several processes share."""

import logging
import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Protocol

from admit.errors import AdmitError, ConfigError, EndStoreError
from admit.verifier.ends.end import End
from admit.verifier.ends.held import HeldEnds
from admit.verifier.ends.view import EndView

_LOG = logging.getLogger("admit.verifier")
LIMIT = 200_000
"""Ends that a store takes. One issuer has room for half of what the others leave: so a single one for 100,000."""
KEEP = timedelta(days=1)
_MIN_KEEP, _MAX_KEEP = timedelta(minutes=15), timedelta(days=31)
_ALL: "weakref.WeakSet[PolledEndStore]" = weakref.WeakSet()


class EndStore(Protocol):
    """Ends that were received, for `TrustedIssuer(..., ends=store)`; one store may serve several issuers.

    `keep` is how long an end is kept after it happened, in seconds. Tokens older than that are not taken of an issuer
    with a store: whether they were ended may be forgotten.
    """

    @property
    def keep(self) -> float: ...
    @property
    def view(self) -> EndView:
        """What is held now. No I/O."""
        ...

    @property
    def started(self) -> bool: ...
    @property
    def last_error(self) -> str | None:
        """The code of the last failure that no success has followed."""
        ...

    def start(self, *, background: bool | None = None) -> None:
        """Begin to read, unless that was done. With False there is never a thread: `tend` reads."""
        ...

    def tend(self) -> None:
        """Where there is no thread: read in this one if that is due, unless another does it already."""
        ...

    def age(self) -> float | None:
        """Seconds since the beginning of the last reading; 0 where nothing has to be read; None before the first."""
        ...

    def is_fresh(self) -> bool:
        """Whether the store was read within its bound, so that no older end is missing in `view`."""
        ...

    def pending(self) -> Future[None] | None:
        """A reading that is worth waiting for: the first, or one after a sleep. None while the store fails."""
        ...

    def add(self, ends: Sequence[End]) -> bool:
        """Keep ends; when this returns they are kept as well as this store can. May block: not for an event loop.

        False says that all of them were there already.

        Raises:
            EndStoreError: they could not be kept, and must not be acknowledged.
        """
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


def check_keep(keep: timedelta, limit: int) -> float:
    """`keep` in seconds.

    Raises:
        ConfigError: out of range.
    """
    if not isinstance(keep, timedelta) or not _MIN_KEEP <= keep <= _MAX_KEEP:
        raise ConfigError("keep is a timedelta from 15 minutes to 31 days: the longest life of a token")
    if limit < 1:
        raise ConfigError("limit is a number of ends, and positive")
    return keep.total_seconds()


class PolledEndStore(ABC):
    """A store that several processes share: each reads it in a thread, by default each 200 ms.

    A forked child has no threads, so its first use starts one anew; until it has read the store once, nothing is fresh.
    """

    def __init__(
        self,
        *,
        keep: timedelta,
        limit: int,
        poll: timedelta,
        max_staleness: timedelta,
        wall: Callable[[], float],
        boottime: Callable[[], float],
    ) -> None:
        self.keep = check_keep(keep, limit)
        if not timedelta(seconds=1) <= max_staleness <= timedelta(minutes=15):
            raise ConfigError("max_staleness is a timedelta from 1 second to 15 minutes")
        if not timedelta(milliseconds=10) <= poll <= max_staleness / 3:
            raise ConfigError("poll is from 10 ms to a third of max_staleness")
        self.limit = limit
        self.bound = max_staleness.total_seconds()
        self._poll = poll.total_seconds()
        self._wall = wall
        self._boottime = boottime
        self._held = self._new_held()
        self._closed = False
        self._background = True
        self.last_error: str | None = None
        self._reset()
        _ALL.add(self)

    def _new_held(self) -> HeldEnds:
        return HeldEnds(limit=self.limit, wall=self._wall, boottime=self._boottime)

    def _reset(self) -> None:
        """Everything that belongs to one process: a forked child starts from here."""
        self._io = threading.Lock()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting: Future[None] | None = None
        self._working = threading.Lock()
        self._due = 0.0
        self._read_at: float | None = None
        self.started = self._closed

    def _after_fork(self) -> None:
        """A thread of the parent may have been in the middle of anything, so what is held is put together anew."""
        before, self._held = self._held, self._new_held()
        self._held.take(list(before.all()), since=before.view.since)
        self._reset()

    @property
    def view(self) -> EndView:
        """What is held now."""
        return self._held.view

    def age(self) -> float | None:
        """Seconds since the beginning of the last good reading; None before the first."""
        return None if self._read_at is None else self._boottime() - self._read_at

    def is_fresh(self) -> bool:
        """Whether the store was read within `max_staleness`. A boot clock that runs backwards proves nothing."""
        at = self._read_at
        return at is not None and 0 <= self._boottime() - at <= self.bound

    def start(self, *, background: bool | None = None) -> None:
        """Start the thread that reads, unless it runs or was closed. With False there never is one: `tend` reads."""
        with self._wake:
            if self.started or self._closed:
                return
            if background is not None:
                self._background = background
            if not self._background:
                self.started = True
                return
            self._waiting = Future()
            self._thread = threading.Thread(target=self._run, name="admit-ends", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread to be had, as while the interpreter ends
                self._thread = self._waiting = None
            else:
                self.started = True

    def close(self) -> None:
        """Stop reading. What is held stays until it is too old."""
        with self._wake:
            self._closed, self.started = True, True
            thread = self._thread
            self._wake.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def pending(self) -> Future[None] | None:
        """The reading under way that has not failed yet; a new one where the thread merely slept."""
        self.start()
        if not self._background:
            self.tend()
            done: Future[None] = Future()
            done.set_result(None)
            return done if self.is_fresh() else None
        with self._wake:
            if self._closed or (self._waiting is None and self.last_error is not None):
                return None
            if self._waiting is None:
                self._waiting = Future()
                self._wake.notify_all()
            return self._waiting

    def tend(self) -> None:
        """Where there is no thread: read in this one if that is due, unless another does it already."""
        if self._background or self._closed or not self.started or self._boottime() < self._due:
            return
        if self._working.acquire(blocking=False):
            try:
                self._step()
                self._due = self._boottime() + self._poll
            finally:
                self._working.release()

    def add(self, ends: Sequence[End]) -> bool:
        """Keep ends; False where all of them were there already.

        Raises:
            EndStoreError: they could not be kept.
        """
        with self._io:
            return self._write(ends)

    def read_now(self) -> None:
        """Read the store, in the caller's thread.

        Raises:
            EndStoreError: it could not be read.
        """
        with self._io:
            started = self._boottime()
            self._read()
            self._clean(self._held.forget())
            self._read_at = started

    @abstractmethod
    def _read(self) -> None:
        """Bring what is held up to date. Raises EndStoreError."""

    @abstractmethod
    def _write(self, ends: Sequence[End]) -> bool:
        """Keep ends, then hold them; False where all were there. Raises EndStoreError."""

    def _clean(self, over: Iterable[End]) -> None:  # noqa: B027  # most stores clean up as they write
        """Ends are over: the store may drop them too."""

    def _new(self, ends: Sequence[End]) -> list[End]:
        """Those that are not held and not over, if there is room for them. Raises EndStoreFullError."""
        wall = self._wall()
        new = [end for end in self._held.missing(ends) if end.until > wall]
        self._held.check_room(new)
        return new

    def _run(self) -> None:
        wake, closed, failures = self._wake, False, 0
        while not closed:
            failures = 0 if self._step() else failures + 1
            with wake:
                waiting, self._waiting = self._waiting, None
            if waiting is not None:
                waiting.set_result(None)
            pause = self._poll if failures == 0 else min(self._poll * 2 ** min(failures, 5), 1.0)
            with wake:
                if not self._closed and self._waiting is None:
                    wake.wait(pause)
                closed = self._closed
        with wake:
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.set_result(None)

    def _step(self) -> bool:
        try:
            self.read_now()
        except AdmitError as error:
            if error.code != self.last_error:
                _LOG.warning("reading a store of ends failed: %s", error.detail)
            self.last_error = error.code
        except Exception:  # a reader that died would leave every request with 503 until a restart
            _LOG.exception("reading a store of ends failed unexpectedly")
            self.last_error = EndStoreError.code
        else:
            self.last_error = None
            return True
        return False


def _after_fork() -> None:
    for store in list(_ALL):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
