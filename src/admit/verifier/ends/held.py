"""What one process holds of a store of ends, and when it may forget. The caller holds the lock."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

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
        self._counts: Counter[str] = Counter()
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
            self._counts[end.issuer] += 1
        self._publish(new, self.view.since if since is None else since)

    def check_room(self, new: Collection[End]) -> None:
        """Raise EndStoreFullError where these would exceed the limit: what is held is never dropped for it.

        An issuer has room for half of what the others leave of the limit: none can fill the store, by malice or by a
        storm of events, and so keep another's ends out.
        """
        more = Counter(end.issuer for end in new)
        if not self._have_room(more):
            self._sweep_due = 0.0
            self.forget()
        if not self._have_room(more):
            raise EndStoreFullError("the store of ends is full, or this issuer's share of it")

    def _have_room(self, more: Mapping[str, int]) -> bool:
        total = len(self._ends)
        return all(
            has_room(self._counts[issuer] + number, total - self._counts[issuer], self._limit)
            for issuer, number in more.items()
        )

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
            self._counts = Counter(end.issuer for end in self._ends)
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
        self.view = replace(
            self.view,
            layers=layers,
            since=since,
            count=len(self._ends),
            counts=MappingProxyType(dict(self._counts)),
            stamp=object(),
        )


def has_room(own: int, others: int, limit: int) -> bool:
    """Whether an issuer may have `own` ends beside the `others'`: at most half of what they leave, rounded up."""
    return own <= (limit - others + 1) // 2


def may_forget(end: End, at: float, wall: float, boot: float) -> bool:
    """Whether an end is over by the wall clock, and by the boot clock since it was taken (`at`)."""
    return wall >= end.until and boot >= at
