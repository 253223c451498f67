"""`MemoryEndStore`: ends in the memory of one process, and nowhere else."""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta

from admit.verifier.boottime import boottime
from admit.verifier.ends.end import End
from admit.verifier.ends.held import HeldEnds
from admit.verifier.ends.store import KEEP, LIMIT, check_keep
from admit.verifier.ends.view import EndView

_LOG = logging.getLogger("admit.verifier")
_ALL: "weakref.WeakSet[MemoryEndStore]" = weakref.WeakSet()


class MemoryEndStore:
    """Ends in memory: for one process, and only as long as it runs.

    A push reaches one worker of several, and no other of them would learn of it here; after a restart nothing is known.
    So this is for development, tests, and a single process that its issuer tells again. `keep` is the longest life of a
    token, at least. Over `limit` ends no more are taken, with an error, and of one issuer no more than half of what the
    others leave of it.

    Raises:
        ConfigError: `keep` or `limit` out of range.
    """

    started = True
    last_error: str | None = None

    def __init__(
        self,
        *,
        keep: timedelta = KEEP,
        limit: int = LIMIT,
        wall: Callable[[], float] = time.time,
        boottime: Callable[[], float] = boottime,
    ) -> None:
        self.keep = check_keep(keep, limit)
        self._held = HeldEnds(limit=limit, wall=wall, boottime=boottime)
        self._lock = threading.Lock()
        _ALL.add(self)

    @property
    def view(self) -> EndView:
        """What is held now."""
        return self._held.view

    def start(self, *, background: bool | None = None) -> None:
        """Nothing to start."""

    def tend(self) -> None:
        """Nothing to read."""

    def age(self) -> float | None:
        """Always 0: there is nothing else to read."""
        return 0.0

    def is_fresh(self) -> bool:
        """Always: there is nothing else to read."""
        return True

    def pending(self) -> Future[None] | None:
        """Nobody to wait for."""
        return None

    def add(self, ends: Sequence[End]) -> bool:
        """Hold ends; False where all of them were held already.

        Raises:
            EndStoreFullError: there are as many as may be.
        """
        with self._lock:
            self._held.forget()
            new = self._held.missing(ends)
            if not new:
                return False
            self._held.check_room(new)
            self._held.take(new)
            return True

    def close(self) -> None:
        """Nothing to close."""

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        if len(self._held):
            _LOG.warning(
                "ends are kept in memory, and this process was forked: it does not learn of new ones"
            )


def _after_fork() -> None:
    for store in list(_ALL):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
