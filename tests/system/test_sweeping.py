"""What is over is swept while people sign in: nobody waits for it, and no table grows for ever.

`make soak` writes `benchmarks/results/sweep.md`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from admit.issuer.grants.sweep import sweep as sweep_grants
from admit.issuer.revocation import Sweeper
from admit.issuer.storage import LONG, Database, Statement, Steps
from tests.fixtures.people import NOW, Parts

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "sweep.md"
ROWS = 1_000_000
DAY = 86_400.0
Rounds = Callable[..., range]
_FIGURES: dict[str, dict[str, float]] = {}

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})",
    "postgresql": "WITH n AS (SELECT generate_series(1, {rows}) AS i)",
}
_KEY = {"sqlite": "randomblob(32)", "postgresql": "sha256(i::text::bytea)"}


def fill(dialect: str, rows: int) -> Steps[None]:
    """Sign-ins that strangers began long ago and never finished."""
    into = "INSERT INTO interaction (id_hash, binding_hash, request, client_id, created_at, expires_at)"
    values = f"'{'x' * 200}', 'spa', {NOW - 90_000.0}, {NOW - 88_000.0}"
    key, numbers = _KEY[dialect], _NUMBERS[dialect].format(rows=rows)
    yield LONG
    yield Statement(text(f"{numbers} {into} SELECT {key}, {key}, {values} FROM n"))()  # constants


async def count(db: Database, table: str) -> int:
    rows = await db.read(Statement(text(f"SELECT count(*) AS n FROM {table}"))())  # a constant
    return int(rows[0]["n"])


async def sign_ins(parts: Parts, until: asyncio.Event, at_least: int) -> list[float]:
    """How long each took, one after the other."""
    took: list[float] = []
    user = await parts.user()
    while not until.is_set() or len(took) < at_least:
        began = time.perf_counter()
        await parts.sign_in(user)
        took.append(time.perf_counter() - began)
    return sorted(took)


def p99(took: list[float]) -> float:
    return took[len(took) * 99 // 100]


@pytest.fixture
async def parts(db: Database) -> AsyncIterator[Parts]:
    yield await Parts.on(db)
    if _FIGURES:
        RESULTS.write_text(table(), "utf-8")


@pytest.mark.soak
async def test_people_sign_in_while_a_million_rows_are_swept(parts: Parts) -> None:
    db = parts.db
    done = asyncio.Event()
    done.set()
    quiet = await sign_ins(parts, done, 300)
    await db.run(fill, db.dialect, ROWS)
    assert await count(db, "interaction") == ROWS
    done.clear()
    signing_in = asyncio.create_task(sign_ins(parts, done, 300))
    began = time.perf_counter()
    await sweep_grants(db, NOW)
    took = time.perf_counter() - began
    done.set()
    busy = await signing_in
    assert await count(db, "interaction") == 0
    _FIGURES[db.dialect] = {
        "sign-ins meanwhile": len(busy),
        "p99 before (ms)": 1e3 * p99(quiet),
        "p99 meanwhile (ms)": 1e3 * p99(busy),
        "longest meanwhile (ms)": 1e3 * busy[-1],
        "seconds to sweep": took,
    }
    assert busy[-1] < 1.0, "nobody waits for a sweep"
    assert p99(busy) < 20 * p99(quiet) + 0.05


@pytest.mark.soak
async def test_no_table_but_the_audit_grows_for_ever(parts: Parts, rounds: Rounds, rng: Random) -> None:
    """Days in which people sign in, refresh, log out, and leave things lying."""
    db, sizes = parts.db, []
    sweeper = Sweeper(db, longest_token=timedelta(hours=1))
    for day in rounds(test=4, soak=120):
        now = NOW + day * DAY
        for _ in range(3):
            grant = await parts.grant(now=now)
            await parts.refresh(grant.refresh_token, now=now + 60)
            new = await parts.sign_in(now=now)
            await parts.code(new, now=now)
            await parts.interactions.begin(client_id="spa", request={}, binding=b"b" * 32, now=now)
        await sweep_grants(db, now)
        await parts.sessions.sweep(now)
        await sweeper.turn(now)
        sizes.append(
            {
                name: await count(db, name)
                for name in ("session", "authorization_code", "interaction", "grant_family", "status_batch")
            }
        )
    steady, last = sizes[2:-1], sizes[-1]
    for name, size in last.items():
        assert size <= 2 * max(one[name] for one in steady[: max(1, len(steady) // 2)]), (name, sizes)


def table() -> str:
    """The document."""
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    heads = list(next(iter(_FIGURES.values())))
    lines = [
        "# Sweeping",
        "",
        f"Written by `make soak`, {time.strftime('%Y-%m-%d', time.gmtime())}; {os.cpu_count()} processors.",
        "",
        f"{ROWS:,} interactions that are over are deleted while people sign in, one after the other, each in a",
        "transaction that is flushed (SQLite) or as durable as the test's server (PostgreSQL).",
        "",
        f"| | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
        *(
            f"| {names[name]} | {' | '.join(f'{figure:,.1f}' for figure in figures.values())} |"
            for name, figures in _FIGURES.items()
        ),
        "",
    ]
    return "\n".join(lines)
