"""What one process holds of a store of ends, and when it may forget. The caller holds the lock."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from admit.errors import EndStoreError, EndStoreFullError
from admit.verifier.ends import view
from admit.verifier.ends.end import End
from admit.verifier.ends.view import EndView

_SWEEP = 60.0
_RECENT = 500
"""Ends in the small layer. Each change copies that layer; the large one is copied once in so many changes."""


class HeldEnds:
    """Ends in memory. `view` is replaced whole; readers take no lock."""

    def __init__(self, *, limit: int, wall: Callable[[], float], boottime: Callable[[], float]) -> None:
        self._limit = limit
        self._wall = wall
        self._boottime = boottime
        self._ends: dict[End, float] = {}
        self._older: dict[str, view.IssuerEnds] = {}
        self._newer: dict[str, view.IssuerEnds] = {}
        self._recent = 0
        self._sweep_due = 0.0
        self.view = EndView()

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, end: End) -> bool:
        return end in self._ends

    def all(self) -> Collection[End]:
        """Every end that is held."""
        return self._ends.keys()

    def missing(self, ends: Iterable[End]) -> list[End]:
        """Those that are not held, each once."""
        return [end for end in dict.fromkeys(ends) if end not in self._ends]

    def take(self, ends: Iterable[End], *, since: float | None = None) -> None:
        """Hold these too, but for those that are over. They count from the next look at `view`.

        Raises:
            EndStoreError: twice the limit would be held: something floods the store from outside.
        """
        wall, boot = self._wall(), self._boottime()
        new = [end for end in self.missing(ends) if end.until > wall]
        if len(self._ends) + len(new) > 2 * self._limit:
            raise EndStoreError("the store has far more ends than its limit")
        for end in new:
            self._ends[end] = boot + (end.until - wall)
        self._publish(new, self.view.since if since is None else since)

    def check_room(self, number: int) -> None:
        """Raise EndStoreFullError where `number` more would exceed the limit: what is held is never dropped for it."""
        if len(self._ends) + number > self._limit:
            self._sweep_due = 0.0
            self.forget()
        if len(self._ends) + number > self._limit:
            raise EndStoreFullError("the store of ends is full")

    def forget(self) -> list[End]:
        """Drop what is over, now and then; returns what was dropped.

        Both clocks have to say so: a wall clock that is set forward for a moment must not make an end forgotten.
        """
        wall, boot = self._wall(), self._boottime()
        if boot < self._sweep_due:
            return []
        self._sweep_due = boot + _SWEEP
        over = [end for end, at in self._ends.items() if may_forget(end, at, wall, boot)]
        if over:
            for end in over:
                del self._ends[end]
            self._older, self._newer, self._recent = view.collect(self._ends), {}, 0
            self._publish((), self.view.since)
        return over

    def _publish(self, new: Collection[End], since: float) -> None:
        if not new and since == self.view.since and len(self._ends) == self.view.count:
            return
        self._newer = view.merge(self._newer, view.collect(new))
        self._recent += len(new)
        if self._recent > _RECENT:
            self._older, self._newer, self._recent = view.merge(self._older, self._newer), {}, 0
        layers = view.layered(self._older, self._newer)
        self.view = replace(self.view, layers=layers, since=since, count=len(self._ends), stamp=object())


def may_forget(end: End, at: float, wall: float, boot: float) -> bool:
    """Whether an end is over by the wall clock, and by the boot clock since it was taken (`at`)."""
    return wall >= end.until and boot >= at
