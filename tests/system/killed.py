"""What came of killing nodes: a journal that has to be reconciled, and the document that is kept of it."""

import fcntl
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "killed.md"
_SECTION = re.compile(r"^## ", re.MULTILINE)


@dataclass(slots=True)
class Journal:
    """What came of all rounds. `lost` and `unexplained` have to be 0."""

    rounds: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    seeds: set[int] = field(default_factory=set)

    def expect(self, holds: bool, what: str) -> None:
        """Something was acknowledged."""
        self.acknowledged += 1
        if not holds:
            self.lost.append(what)

    def explain(self, is_so: bool, what: str) -> None:
        """Something has to have one of the outcomes that there can be."""
        if not is_so:
            self.unexplained.append(what)

    @property
    def open(self) -> list[str]:
        """What is not reconciled."""
        return self.lost + self.unexplained


def reconciled(journals: Sequence[Journal]) -> str:
    """All of them in one line."""
    rounds = sum(sum(journal.rounds.values()) for journal in journals)
    return (
        f"**{rounds:,} rounds, {sum(journal.acknowledged for journal in journals):,} acknowledgements held against the"
        f" database. Lost: {sum(len(journal.lost) for journal in journals)}."
        f" Unexplained: {sum(len(journal.unexplained) for journal in journals)}.**"
    )


def written() -> str:
    """Who wrote a section, and when."""
    return f"Written by `make soak`, {time.strftime('%Y-%m-%d', time.gmtime())}; {os.cpu_count()} processors"


def keep(title: str, lines: Sequence[str]) -> None:
    """Put a section into the document, in the place of the one of this title; several processes may do so at once."""
    with open(RESULTS, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        _, *sections = _SECTION.split(file.read())
        kept = {section.partition("\n")[0]: section.partition("\n")[2].strip("\n") for section in sections}
        kept[title] = "\n".join(lines).strip("\n")
        whole = ["# Killed nodes", ""]
        for name in sorted(kept):
            whole += [f"## {name}", "", kept[name], ""]
        file.seek(0)
        file.truncate()
        file.write("\n".join(whole))
