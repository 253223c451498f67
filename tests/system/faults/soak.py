"""The long run: many lanes side by side, since a round is mostly waiting; and what is kept of it."""

import asyncio
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from tests.fixtures.processes import environment, write_key_file
from tests.system.faults.fault import BOUND, POLL, Fault
from tests.system.faults.journal import FORBIDDEN, Tally
from tests.system.faults.rig import Rig

AT_ONCE = 4 * (os.cpu_count() or 1)
"""Deployments at a time. One round takes a tenth of a processor: more of them make the machine late."""
PIECE = 300.0
"""Seconds that one process is busy: so they end at about the same time."""
TOLD_EACH = 60.0
TRIES = 3
ROOT = Path(__file__).resolve().parents[3]
Urls = Callable[[str], tuple[Path, str]]
"""A folder and the address of a furnished database of this kind."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Rounds of one fault on one database, one after the other."""

    fault: Fault
    database: str
    number: int
    rounds: int

    @property
    def name(self) -> str:
        """Also what its random choices come from, with the run's seed."""
        return f"{self.fault.name}, {self.database}, {self.number}"

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.rounds * self.fault.seconds


@dataclass(slots=True)
class Row:
    """What came of a fault on a database. Delays are in seconds; `notes` are further figures, each of many rounds.

    `wanted` rounds are to be done. `seconds` is how long each took, `lags` how late the machine was at worst in each.
    """

    fault: str
    database: str
    bound: float
    wanted: int = 0
    tally: Tally = field(default_factory=Tally)
    notes: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """For a file."""
        told = asdict(self.tally)
        delays = sorted(told.pop("delays"))
        return {
            "fault": self.fault,
            "database": self.database,
            "bound": self.bound,
            "wanted": self.wanted,
            **told,
            "delay": {"median": median(delays), "worst": delays[-1]} if delays else None,
            "seconds": sum(self.seconds),
            "notes": {
                what: {"median": median(seen), "worst": max(seen)} for what, seen in self.notes.items()
            },
        }


def lanes_of(faults: Sequence[Fault], most: int | None = None) -> list[Lane]:
    """All lanes. `most` rounds of each fault, where that is less than it asks for."""
    made = []
    for fault in faults:
        wanted = fault.soak if most is None else min(most, fault.soak)
        for database, share in zip(fault.databases, parts(wanted, len(fault.databases)), strict=True):
            pieces = max(1, math.ceil(share * fault.seconds / PIECE))
            made += [Lane(fault, database, n, part) for n, part in enumerate(parts(share, pieces)) if part]
    return made


def parts(whole: int, number: int) -> list[int]:
    """So many parts of a number, as equal as can be."""
    return [whole // number + (n < whole % number) for n in range(number)]


class Soak:
    """One run. Each lane is a process, so that none holds up another's proxy; `rows` grow as lanes tell of rounds.

    `keep` is given the summary once a minute and at the end, so that a run that is stopped has one too.
    """

    def __init__(
        self,
        urls: Urls,
        seed: int,
        say: Callable[[str], None],
        keep: Callable[[dict[str, Any]], None],
        at_once: int = AT_ONCE,
    ) -> None:
        self._urls, self._seed, self._say, self._keep = urls, seed, say, keep
        self._at_once = at_once
        self._began = time.monotonic()
        self._starting = asyncio.Lock()
        self.rows: dict[tuple[str, str], Row] = {}

    async def run(self, lanes: Sequence[Lane]) -> None:
        """All of them, some at a time; those of a million last, one for each processor."""
        for lane in lanes:
            key = (lane.fault.name, lane.database)
            self.rows.setdefault(key, Row(*key, lane.fault.terms.bound)).wanted += lane.rounds
        keeping = asyncio.create_task(self._keep_all())
        try:
            for alone, many in ((False, self._at_once), (True, os.cpu_count() or 1)):
                free = asyncio.Semaphore(many)
                chosen = sorted(
                    (lane for lane in lanes if lane.fault.alone is alone),
                    key=lambda lane: -lane.seconds,  # else the longest one is awaited by all at the end
                )
                await asyncio.gather(*(self._lane(lane, free) for lane in chosen))
        finally:
            keeping.cancel()
            self._keep(self.summary())

    async def _keep_all(self) -> None:
        while True:
            await asyncio.sleep(TOLD_EACH)
            self._keep(self.summary())
            done = sum(row.tally.rounds for row in self.rows.values())
            self.say(f"{done} rounds of {sum(row.wanted for row in self.rows.values())}")

    async def _lane(self, lane: Lane, free: asyncio.Semaphore) -> None:
        """Whatever goes wrong in one, the others go on."""
        row, done = self.rows[lane.fault.name, lane.database], 0
        async with free:
            for turn in range(TRIES):
                if done == lane.rounds:
                    break
                seed = f"{self._seed} {lane.name} {turn}"
                rounds, trouble = await self._process(lane, row, seed, lane.rounds - done)
                done += rounds
                if trouble:
                    row.tally.unsettled += 1
                    row.tally.complaints.append(trouble)
                    self.say(f"{lane.name}: {trouble}")
        self.say(f"{lane.name}: {done} of {lane.rounds} rounds, broken {row.tally.broken}")

    async def _process(self, lane: Lane, row: Row, seed: str, rounds: int) -> tuple[int, str]:
        """So many rounds in a process; how many were done, and what went wrong with it, if anything did."""
        async with self._starting:  # one after the other, or all of them start slowly
            try:
                folder, url = await asyncio.to_thread(self._urls, lane.database)
            except Exception as error:  # nothing was tried yet, so nothing is held against anybody
                self.say(f"{lane.name}: no database: {error!r}")
                return 0, ""
            write_key_file(folder)
            asked = [str(folder), url, lane.fault.name, seed, str(rounds)]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.system.faults.soak", *asked, cwd=ROOT, limit=1 << 24,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env={**environment(), "ADMIT_TIER": "soak"},
            )  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            complaining = asyncio.create_task(process.stderr.read())
            await process.stdout.readline()
        done = 0
        try:
            while line := await process.stdout.readline():
                self._take(lane, row, json.loads(line))
                done += 1
            complaint = (await complaining).decode("utf-8", "replace")
            return done, f"{complaint[-600:]}" if await process.wait() else ""
        except (ValueError, OSError) as error:  # it said what is no line of ours
            return done, repr(error)
        finally:
            if process.returncode is None:
                process.kill()

    def _take(self, lane: Lane, row: Row, told: dict[str, Any]) -> None:
        tally = Tally(**told["tally"])
        row.tally.add(tally)
        row.seconds.append(told["seconds"])
        row.lags.append(tally.lag)
        for what, seen in told["notes"].items():
            row.notes.setdefault(what, []).extend(seen)
        if tally.broken:
            self.say(f"{lane.name}: {row.tally.rounds} rounds, {row.tally.broken} {tally.complaints[:3]}")

    def say(self, line: str) -> None:
        """With the minutes since the beginning."""
        self._say(f"{(time.monotonic() - self._began) / 60:5.1f} min {line}")

    def summary(self) -> dict[str, Any]:
        """The whole run as far as it is, for a file."""
        rows = [row.figures() for row in self.rows.values()]
        lags = sorted(lag for row in self.rows.values() for lag in row.lags)
        return {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "minutes": round((time.monotonic() - self._began) / 60, 1),
            "seed": self._seed,
            "lanes": self._at_once,
            "bound": BOUND,
            "poll": POLL,
            "lag": {"median": median(lags), "p99": lags[len(lags) * 99 // 100], "worst": lags[-1]}
            if lags
            else None,
            "broken": {name: sum(row[name] for row in rows) for name in FORBIDDEN},
            "rows": rows,
        }


async def work(folder: Path, url: str, fault: Fault, seed: str, rounds: int) -> None:
    """One lane's rounds; a line of JSON when the rig stands, and one for each round."""
    rng = Random(seed)
    async with Rig.made(folder, url, nodes=fault.nodes, kinds=fault.kinds, every=fault.every) as rig:
        print("{}", flush=True)
        for _ in range(rounds):
            began = time.monotonic()
            tally = await rig.round(fault, rng)
            notes, rig.notes = rig.notes, {}
            told = {"tally": asdict(tally), "notes": notes, "seconds": time.monotonic() - began}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    from tests.system.faults.lanes import ALL

    place, address, name, chosen, number = sys.argv[1:]
    wanted = next(fault for fault in ALL if fault.name == name)
    asyncio.run(work(Path(place), address, wanted, chosen, int(number)))
