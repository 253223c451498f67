"""What a process counts of its own work, for metrics. Plain numbers: counting needs no library.

Labels are route templates, methods we serve, statuses, and words of ours. Nothing of a request is among them.
"""

from bisect import bisect_left
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the durations' buckets, in seconds. A password's hash takes some hundredths."""

NO_ROUTE: Final = "none"
OTHER_METHOD: Final = "other"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Durations:
    """A histogram of one route. `buckets[i]` counts those up to `BOUNDS[i]` and above the bound before."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class JobCounts:
    """One job: its turns, those that failed, when the last good one ended (epoch seconds) and how long it took."""

    turns: int = 0
    failures: int = 0
    last_good: float | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Counts:
    """All of one issuer in one process."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)  # route, method, status
    durations: dict[str, Durations] = field(default_factory=dict)
    sign_ins: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, JobCounts] = field(default_factory=dict)

    def answered(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """One answer; without a duration for one that stays open."""
        self.requests[route, method if method in METHODS else OTHER_METHOD, status] += 1
        if seconds is not None:
            durations = self.durations.get(route)
            if durations is None:
                durations = self.durations[route] = Durations()
            durations.add(seconds)

    def job(self, name: str) -> JobCounts:
        """The counts of one job."""
        return self.jobs.setdefault(name, JobCounts())


COUNTS: ContextVar[Counts | None] = ContextVar("admit_counts", default=None)
"""The counts of the issuer whose jobs run here. Each job is a task of its own and inherits it from the start."""
