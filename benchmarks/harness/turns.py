"""Short pieces of work timed in turns: each round does all of them, in another order, so that a busy machine hurts all
alike. Figures are medians of the rounds; a comparison is the median of the rounds' own ratios or differences.
"""

import random
import statistics
import time
import timeit
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.harness.figures import Noise

Job = Callable[[], float]
"""Does its work a number of times, and returns the seconds that one took."""


def statement(
    text: str, names: Mapping[str, Any], times: int, clock: Callable[[], float] = time.perf_counter
) -> Job:
    """A statement as it would stand in a program: nothing is called that is not in it. The collector is off.

    `time.thread_time` as the clock counts what this thread computed, whoever else was on the core meanwhile.
    """
    timer = timeit.Timer(text, timer=clock, globals=dict(names))
    return lambda: timer.timeit(times) / times


class Turns:
    """What each job took, in µs, round by round."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = dict(jobs)
        self.taken: dict[str, list[float]] = {name: [] for name in jobs}

    def run(self, rounds: int, noise: Noise) -> "Turns":
        """One round first that does not count."""
        order = list(self._jobs)
        for number in range(rounds + 1):
            noise.sample()
            random.shuffle(order)
            for name in order:
                seconds = self._jobs[name]()
                if number:
                    self.taken[name].append(seconds * 1e6)
        return self

    def median(self, name: str) -> float:
        return statistics.median(self.taken[name])

    def range(self, name: str) -> str:
        return f"{min(self.taken[name]):.2f} to {max(self.taken[name]):.2f}"

    def ratio(self, name: str, to: str) -> float:
        """Median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.taken[name], self.taken[to], strict=True))

    def added(self, name: str, to: str) -> float:
        """Median of the rounds' differences."""
        return statistics.median(a - b for a, b in zip(self.taken[name], self.taken[to], strict=True))
