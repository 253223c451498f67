"""The table of a long run: `python -m tests.system.faults.summary faults.json > faults.md`."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "faults.md"
COLUMNS = (
    "fault",
    "database",
    "bound",
    "rounds",
    "ends",
    "accesses judged",
    "let in beyond the bound",
    "later than a poll, or again",
    "valid refused",
    "503 in outages",
    "delay, median",
    "delay, worst",
    "machine's lag",
    "a round",
)


def table(run: Mapping[str, Any]) -> str:
    """The document."""
    rows = run["rows"]
    total = {
        name: sum(row[name] for row in rows)
        for name in (
            "rounds",
            "wanted",
            "ends",
            "unknown",
            "accesses",
            "late",
            "slow",
            "again",
            "refused",
            "other",
        )
    }
    lines = [
        "# Faults",
        "",
        f"Written by `make soak`, {run['date']}; Python {run['python']}, {run['cores']} processors, "
        f"{run['minutes']:.0f} minutes, {run['lanes']} deployments at a time, seed {run['seed']}.",
        *unfinished(total["rounds"], total["wanted"]),
        *anew(run.get("anew")),
        "",
        "Real issuer processes, verifier processes that check every token all the time, and a proxy between them.",
        f"The verifiers' bound is {run['bound']:g} s where the table says no other, they ask each {run['poll']:g} s;",
        "each process has three: with the stream, with polls alone, without threads. A journal keeps when the",
        "acknowledgement of each end arrived, and every access is held against it.",
        "",
        f"**{total['rounds']:,} rounds, {total['ends']:,} acknowledged ends, {total['accesses']:,} accesses judged.",
        f"Let in beyond the bound: {total['late']}. Valid callers refused while a proof could be had: "
        f"{total['refused'] + total['other']}.**",
        f"Let in again after a refusal: {total['again']}. Let in for longer than a poll where polls got through: "
        f"{total['slow']}.",
        "",
        *grid([COLUMNS, *(cells(row) for row in rows)]),
        "",
        *noise(run["lag"]),
        "A delay is the time from an end's acknowledgement to the last access that was let in after it. An access is",
        "dated by the verifier's last look at the boot clock, so nothing is allowed for; where that clock itself is",
        "wrong, it is found out within a poll and one request. 503 is right when a fault lasted for longer than the",
        "bound less a poll, and for the moment after it in which verifiers ask again; the machine's lag (how late it",
        "woke a thread, or gave an answer that nothing was done to) is allowed for there, threefold, and nowhere else. "
        f"{total['unknown']} ends met a dead",
        "issuer and were never acknowledged: both answers are right for those.",
        "",
        *further(rows),
    ]
    return "\n".join(lines)


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One row."""
    delay = row["delay"] or {}
    return (
        row["fault"],
        {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[row["database"]],
        f"{row['bound']:g} s",
        f"{row['rounds']:,}",
        f"{row['ends']:,}",
        f"{row['accesses']:,}",
        f"{row['late']}",
        f"{row['slow'] + row['again']}",
        f"{row['refused'] + row['other'] + row['unsettled']}",
        f"{row['excused']:,}",
        f"{delay['median']:.2f} s" if delay else "",
        f"{delay['worst']:.2f} s" if delay else "",
        f"{row['lag'] * 1000:.0f} ms",
        f"{row['seconds'] / row['rounds']:.1f} s" if row["rounds"] else "",
    )


def unfinished(done: int, wanted: int) -> list[str]:
    """What a run says of itself that was stopped."""
    return [] if done == wanted else ["", f"**Stopped after {done:,} of {wanted:,} rounds.**"]


def anew(run: Mapping[str, Any] | None) -> list[str]:
    """Rows that were run once more and put in the place of the first ones, and why."""
    if run is None:
        return []
    return [
        "",
        f"Run anew ({run['minutes']:.0f} minutes, seed {run['seed']}): {', '.join(run['faults'])}. {run['why']}",
    ]


def noise(lag: Mapping[str, float] | None) -> list[str]:
    """How late the machine was."""
    if lag is None:
        return []
    return [
        "The machine's own lag, the worst of each round: "
        f"median {lag['median'] * 1000:.0f} ms, p99 {lag['p99'] * 1000:.0f} ms, worst {lag['worst'] * 1000:.0f} ms.",
        "A fault that makes a difference on both databases has its rounds shared by them. A million ends take a minute",
        "each, so these have few rounds.",
        "",
    ]


def further(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Figures that some faults have besides."""
    found = [
        (row["fault"], row["database"], what, f"{seen['median']:.2f}", f"{seen['worst']:.2f}")
        for row in rows
        for what, seen in row["notes"].items()
    ]
    if not found:
        return []
    return [*grid([("fault", "database", "figure", "median", "worst"), *found]), ""]


def grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose source can be read too."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]]


if __name__ == "__main__":
    sys.stdout.write(table(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
