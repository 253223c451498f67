"""CPU time a request: the issuer beside the floor, in turns, on one core; the load comes from another."""

import hashlib
import json
import shutil
import sqlite3
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from admit.issuer.sessions.store import FIND
from benchmarks.harness import figures
from benchmarks.harness.load import Load, Script
from benchmarks.harness.programs import Program, environment, free_port, pinned
from benchmarks.issuer import furnished
from benchmarks.issuer.furnished import Furnished

GOAL = 2.5
CONNECTIONS = 16
WARM = 1_000
AT_MOST = 3.0  # seconds of one turn, so that a busy machine costs figures and not an hour
HEADS = ("CPU a request", "issuer µs", "floor µs", "× floor", "best to worst", "noise (floor)", "goal")


@dataclass(frozen=True, slots=True)
class Job:
    """One row: a script for the issuer, the floor's for the same work, and how many requests a round asks of each."""

    name: str
    issuer: Callable[[int], Script]
    floor: Callable[[int], Script]
    requests: int
    goal: float | None = GOAL


def jobs(made: Furnished, other: Furnished) -> list[Job]:
    everybody = len(made.sessions)
    few = everybody // 10
    return [
        Job(
            f"POST /session/lookup, {few:,} sessions in use",
            lambda _: furnished.lookups(made, few),
            lambda _: furnished.lookups(other, few),
            2_000,
        ),
        Job(
            f"POST /session/lookup, {everybody:,} in use",
            lambda _: furnished.lookups(made, everybody),
            lambda _: furnished.lookups(other, everybody),
            2_000,
        ),
        Job(
            f"GET /api/session by cookie, {few:,} in use",
            lambda _: furnished.checks(made, few, "/api/session"),
            lambda _: furnished.checks(other, few, "/session"),
            2_000,
        ),
        Job(
            f"GET /api/session by cookie, {everybody:,} in use",
            lambda _: furnished.checks(made, everybody, "/api/session"),
            lambda _: furnished.checks(other, everybody, "/session"),
            2_000,
        ),
        Job(
            f"GET /api/session by cookie, {few:,} in use; floor: two columns of one row",
            lambda _: furnished.checks(made, few, "/api/session"),
            lambda _: furnished.checks(other, few, "/bare"),
            2_000,
            goal=2.0,
        ),
        Job(
            "POST /token, refresh rotated, ES256",
            lambda number: furnished.refreshes(made, number),
            lambda number: furnished.refreshes(other, number),
            1_000,
            goal=2.0,
        ),
        Job(
            "POST /token, client credentials, ES256, its record flushed",
            lambda _: furnished.machines(made),
            lambda _: furnished.machines(other),
            1_000,
            goal=1.6,
        ),
    ]


def floor_of(made: Furnished, folder: Path) -> Furnished:
    """The same database for the floor, with a table of its own for what it rotates."""
    folder.mkdir()
    other = Furnished(folder, free_port(), made.emails, made.sessions, list(made.refresh))
    shutil.copyfile(made.database, other.database)
    find = FIND.compiled("sqlite")
    (folder / "find.json").write_text(json.dumps([find.sql, dict(find.fixed)]), "utf-8")
    rows = [(hashlib.sha256(token.encode()).digest(), "u_floor") for token in made.refresh]
    with sqlite3.connect(other.database) as db:
        db.execute("CREATE TABLE floor_grant (token_hash BLOB PRIMARY KEY, user_id TEXT NOT NULL)")
        db.executemany("INSERT INTO floor_grant VALUES (?, ?)", rows)
    db.close()
    return other


def serve_floor(other: Furnished, core: int | None = None) -> Program:
    """The floor as a program."""
    name = str(Path(__file__).with_name("floor.py"))
    return Program(
        [
            sys.executable,
            name,
            str(other.port),
            str(other.database),
            str(other.folder / "find.json"),
            other.cookie,
        ],
        port=other.port,
        env=environment(other.folder / "bytecode"),
        log=other.folder / "floor.log",
        core=core,
    )


async def measure(made: Furnished, other: Furnished, rounds: int, noise: figures.Noise) -> str:
    """The table of all jobs."""
    rows = []
    with made.serve(core=0) as issuer, serve_floor(other, core=0) as floor, pinned(1):
        issuer.until_ready("/health/ready", host=made.host)
        floor.until_ready("/ready", host=other.host)
        for job in jobs(made, other):
            pair = (
                (issuer, Load(issuer.port, map(job.issuer, range(CONNECTIONS)))),
                (floor, Load(floor.port, map(job.floor, range(CONNECTIONS)))),
            )
            taken = await in_turns(pair, job.requests, rounds, noise)
            rows.append(row_of(job.name, job.goal, *taken))
    return figures.table(HEADS, rows)


async def in_turns(
    pair: tuple[tuple[Program, Load], tuple[Program, Load]], requests: int, rounds: int, noise: figures.Noise
) -> tuple[list[float], list[float]]:
    """Microseconds of CPU a request, of each program, round by round."""
    for _, load in pair:
        await load.run(WARM, seconds=AT_MOST)
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        noise.sample()
        for which in (0, 1) if number % 2 else (1, 0):
            program, load = pair[which]
            before = program.cpu()
            answers = await load.run(requests, seconds=AT_MOST)
            taken[which].append((program.cpu() - before) / answers * 1e6)
    return taken


def row_of(name: str, wanted: float | None, issuer: list[float], floor: list[float]) -> tuple[str, ...]:
    """A line below `HEADS`."""
    ratios = [one / other for one, other in zip(issuer, floor, strict=True)]
    ratio = statistics.median(ratios)
    goal = "" if wanted is None else f"≤ {wanted}: {figures.verdict(met=ratio <= wanted)}"
    return (
        name,
        f"{statistics.median(issuer):.0f}",
        f"{statistics.median(floor):.0f}",
        f"{ratio:.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        figures.spread(floor),
        goal,
    )
