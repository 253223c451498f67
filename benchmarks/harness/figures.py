"""Figures: medians of ratios that were taken side by side, what the machine's own noise was, tables in Markdown."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version


def spread(values: Sequence[float]) -> str:
    """The middle half of the values, as a share of their median."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return f"{(high - low) / middle:.0%}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is readable as it stands."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (heads, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(*, met: bool) -> str:
    return "met" if met else "missed"


class Noise:
    """A fixed piece of work, timed again and again: how much the machine's own speed moved."""

    def __init__(self) -> None:
        self._before = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before"
        self._taken: list[float] = []

    def sample(self) -> None:
        start = time.process_time()
        total = 0
        for number in range(200_000):
            total += number
        self._taken.append(time.process_time() - start)

    def __str__(self) -> str:
        least, most = min(self._taken), max(self._taken)
        moved = f"took {least * 1e3:.1f} to {most * 1e3:.1f} ms of CPU ({most / least:.2f} ×)"
        return f"machine: a fixed loop {moved}; {self._before}"


def heading(title: str, packages: Sequence[str]) -> str:
    """Date and versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    today = datetime.now(UTC).date().isoformat()
    return f"# {title}\n\n{today}; Python {platform.python_version()}, {versions}."
