"""What the races of a soak came to: `benchmarks/results/races.md`, a row for each thing that is good for one use."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "races.md"
DATABASES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_HEAD: Final = """# Races

Written by `make soak`; {processors} processors.

Many use one thing at the same time, in any order, in turn at two nodes of one deployment: two processes of `admit
serve`, two issuers in one process, or the drivers of two nodes on one database. In every round exactly one of them had
it and all others were refused, whatever the row says of how they ask; what it had led to was counted in the database.
Of a refresh token all get the same successor, and one generation is written.

| good for one use | between | database | rounds × at once | seed | on |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, order=True)
class Race:
    """One row: what was raced for, between whom, on which database."""

    what: str
    between: str
    database: str


def keep(race: Race, rounds: int, at_once: int, seed: int) -> None:
    """Put a row in the place of the one that told of this race; several processes may do so at once."""
    with open(RESULTS, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        rows = [
            [cell.strip() for cell in line.strip("|\n ").split("|")]
            for line in file
            if line.startswith("| ") and not line.startswith("| good")
        ]
        kept = {Race(*row[:3]): row[3:] for row in rows}
        kept[race] = [f"{rounds} × {at_once}", str(seed), time.strftime("%Y-%m-%d", time.gmtime())]
        lines = [
            f"| {one.what} | {one.between} | {one.database} | {' | '.join(kept[one])} |\n"
            for one in sorted(kept)
        ]
        file.seek(0)
        file.truncate()
        file.write(_HEAD.format(processors=os.cpu_count()) + "".join(lines))
