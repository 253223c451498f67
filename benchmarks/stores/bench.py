"""CPU a request with PostgreSQL, and with copies of sessions in Redis.

`python benchmarks/stores/bench.py [rounds] [--save]`; `--save` also writes the figures to benchmarks/results/stores.md.
Linux only. `rounds` is 15 unless said.

`python benchmarks/stores/bench.py --large [thousands of accounts] [--save]`: a database of a million accounts and five
million sessions and as many grants, shared among 10,000 clients, beside an empty one, SQLite and PostgreSQL; to
benchmarks/results/large.md. It takes 8 GB of disk and ten minutes.
"""

import contextlib
import hashlib
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import asyncpg
import redis as redis_py

from admit.credentials import cookies
from benchmarks.harness import figures
from benchmarks.harness.deployed import PEOPLE, Deployed, SignedIn, postgresql, server_version
from benchmarks.harness.load import Load, Script, expect, request, runner
from benchmarks.harness.programs import Program, admit_serving, end_in_order, environment, free_port, pinned
from benchmarks.issuer import cost, furnished
from benchmarks.issuer.furnished import Furnished
from benchmarks.stores import large
from benchmarks.stores.floor import KEY
from benchmarks.stores.loader import OVER, Bulk
from tests.fixtures.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("uvicorn", "uvloop", "starlette", "asyncpg", "redis", "msgspec", "cryptography")
SESSIONS = 500  # each is noted once a minute, as those of people who are there are
CHECKS, ROTATIONS = 3_000, 1_000
PER_USER = 5  # sessions of each account of the large database, and grants
CLIENTS = 10_000  # there, of grants
HOW = f"""\
The issuer is `admit serve` on PostgreSQL with its normal durability, {SESSIONS:,} live sessions of 20 people; in the
second row with `sessions.redis`, each session looked up a moment before. The floors are
benchmarks/stores/floor.py: Starlette and a bare look-up of two columns by asyncpg, one GET by redis-py, or one UPDATE
and an ES256 signature, without any of an issuer's checks. CPU time is that of the program alone, not of PostgreSQL or
Redis. Both run on one core, take turns, and are asked from another core over {cost.CONNECTIONS} connections. Ratios are
medians of the rounds' ratios; noise is the middle half of the floor's rounds."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row: who serves, what is asked of it and of the floor, how often in a round."""

    name: str
    program: Program
    issuer: Callable[[int], Script]
    floor: Callable[[int], Script]
    requests: int
    goal: float


def checks(deployed: Deployed, host: str, sessions: list[SignedIn], path: str) -> Script:
    """A session check by cookie, of anybody."""
    asked = [request("GET", path, host=host, headers=(deployed.cookie_header(one),)) for one in sessions]
    while True:
        expect((yield random.choice(asked)), 200)


def served(deployed: Deployed, **settings: str) -> Program:
    """A node with more settings."""
    port = free_port()
    names = {f"ADMIT_{name.upper()}": value for name, value in settings.items()}
    return admit_serving(deployed.settings_file(port), port=port, core=0, more=names)


async def furnish(deployed: Deployed, redis_url: str) -> tuple[list[SignedIn], list[str], list[str]]:
    """Sessions, and refresh tokens for the issuer and for the floor, which has a table and keys of its own."""
    await deployed.furnish()
    sessions = await deployed.sign_in(SESSIONS)
    refresh = await deployed.refresh_tokens(cost.CONNECTIONS)
    connection = await asyncpg.connect(deployed.database)
    try:
        await connection.execute(
            "CREATE TABLE floor_grant (token_hash BYTEA PRIMARY KEY, user_id TEXT NOT NULL)"
        )
        rows = [(hashlib.sha256(token.encode()).digest(), "u_floor") for token in refresh]
        await connection.executemany("INSERT INTO floor_grant VALUES ($1, $2)", rows)
    finally:
        await connection.close()
    with redis_py.Redis.from_url(redis_url) as client, client.pipeline(transaction=False) as pipe:
        for one in sessions:
            raw = cookies.decode_session_id(one.cookie.encode())
            pipe.set(KEY + hashlib.sha256(raw).hexdigest(), b'{"user_id": "u_floor", "last_seen_at": 1.0}')
        pipe.execute()
    return sessions, refresh, list(refresh)


async def measure(deployed: Deployed, redis_url: str, rounds: int, noise: figures.Noise) -> str:
    """The table."""
    sessions, refresh, floors = await furnish(deployed, redis_url)
    name = str(Path(__file__).with_name("floor.py"))
    port = free_port()
    cookie = cookies.session_cookie_name(deployed.issuer, dev=True)
    floor = Program(
        [sys.executable, name, str(port), deployed.database, redis_url, cookie],
        port=port,
        env=environment(deployed.folder / "bytecode"),
        log=deployed.folder / "floor.log",
        core=0,
    )
    rows = []
    with contextlib.ExitStack() as stack:
        host = f"localhost:{port}"
        # One after another: they share a core, and three starts at once take as long as they take together.
        stack.enter_context(floor).until_ready("/ready", host=host)
        plain = stack.enter_context(served(deployed))
        plain.until_ready("/health/ready", host=deployed.host)
        copied = stack.enter_context(served(deployed, sessions__redis=redis_url))
        copied.until_ready("/health/ready", host=deployed.host)
        stack.enter_context(pinned(1))
        ours = Furnished(deployed.folder, deployed.port, refresh=refresh)
        theirs = Furnished(deployed.folder, port, refresh=floors)
        jobs = (
            Job(
                "session check, PostgreSQL", plain,
                lambda _: checks(deployed, deployed.host, sessions, "/api/session"),
                lambda _: checks(deployed, host, sessions, "/postgresql"), CHECKS, 1.6,
            ),
            Job(
                "session check, copies in Redis", copied,
                lambda _: checks(deployed, deployed.host, sessions, "/api/session"),
                lambda _: checks(deployed, host, sessions, "/redis"), CHECKS, 1.6,
            ),
            Job(
                "refresh rotated, PostgreSQL, ES256", plain,
                lambda number: furnished.refreshes(ours, number),
                lambda number: furnished.refreshes(theirs, number), ROTATIONS, 1.8,
            ),
        )  # fmt: skip
        for job in jobs:
            pair = (
                (job.program, Load(job.program.port, map(job.issuer, range(cost.CONNECTIONS)))),
                (floor, Load(floor.port, map(job.floor, range(cost.CONNECTIONS)))),
            )
            taken = await cost.in_turns(pair, job.requests, rounds, noise)
            rows.append(cost.row_of(job.name, job.goal, *taken))
    return figures.table(cost.HEADS, rows)


LARGE = f"""\
Two databases of each kind: one with {PEOPLE} accounts and {large.FEW:,} sessions, one with as many accounts, sessions
(every {OVER}th long over), grants and clients of the database as the title says. Both are asked in one process, one
call after another, in turns. A sign-in is all but its hash: the try counted, the session begun with its audit record,
the browser made known, the try given back. Beside a sweep {large.ASKERS} ask at once with
{large.PAUSE * 1e3:.0f} ms between, one of them signs in; what is swept are sessions and families that are long over.
PostgreSQL is vacuumed and analysed after the load, as autovacuum does it, and SQLite is analysed; no plan depends on
that. SQLite's file is read once before it is asked; what the system keeps of it in memory is its own affair, as it is
of what PostgreSQL has beyond its buffers. A portion of a sweep is one look at its own pace, none of it over."""


def large_one(thousands: int, *, save: bool) -> None:
    """The table of the large database."""
    users = thousands * 1_000
    each = users * PER_USER
    bulk = Bulk(users=users, sessions=each, grants=each, clients=CLIENTS, now=large.NOW)
    noise = figures.Noise()
    noise.sample()
    scale = min(1.0, thousands / 100)
    with (
        tempfile.TemporaryDirectory(prefix="admit-bench-") as name,
        postgresql(**large.POSTGRESQL) as database,
    ):
        made = f"{bulk.sessions:,} sessions, {bulk.grants:,} grants, {bulk.clients:,} clients"
        parts = [figures.heading(f"{thousands:,} thousand accounts, {made}", PACKAGES), LARGE]
        print("\n\n".join(parts), flush=True)
        work = large.measure(Path(name), database, bulk, scale=scale)
        parts.append(runner(work))
        noise.sample()
        parts.append(f"PostgreSQL {server_version(database)}; {noise}.")
        print("\n" + "\n\n".join(parts[2:]), flush=True)
    if save:
        (ROOT / "benchmarks" / "results" / "large.md").write_text("\n\n".join(parts) + "\n", "utf-8")


def main() -> None:
    end_in_order()
    words = sys.argv[1:]
    if "--large" in words:
        thousands = next((int(word) for word in words if word.isdigit()), 1_000)
        large_one(thousands, save="--save" in words)
        return
    rounds = next((int(word) for word in words if word.isdigit()), 15)
    noise = figures.Noise()
    server = RedisServer()
    try:
        with tempfile.TemporaryDirectory(prefix="admit-bench-") as name, postgresql() as database:
            folder = Path(name)
            deployed = Deployed(folder, database.dsn(database.create_database()))
            parts = [figures.heading("Sessions and rotation on other stores", PACKAGES), HOW]
            print("\n\n".join(parts), flush=True)
            parts.append(runner(measure(deployed, server.url, rounds, noise)))
            parts.append(f"PostgreSQL {server_version(database)}; {rounds} rounds; {noise}.")
            print("\n" + "\n\n".join(parts[2:]), flush=True)
    finally:
        server.close()
    if "--save" in words:
        target = ROOT / "benchmarks" / "results" / "stores.md"
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
