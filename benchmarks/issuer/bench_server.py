"""The authorization server's CPU a request, beside a floor and oidc-provider.

`python benchmarks/issuer/bench_server.py [rounds] [--save]`; `--save` also writes the figures to
benchmarks/results/server.md. Linux only. `rounds` is 8 unless said.

The peer is installed by `cd benchmarks/issuer/peers/node && npm ci --ignore-scripts`; what is missing is left out with
a line that says so.
"""

import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.harness import figures
from benchmarks.harness.deployed import postgresql, server_version
from benchmarks.harness.load import Load, Script, runner
from benchmarks.harness.programs import Program, end_in_order, free_port, pinned
from benchmarks.issuer import asking, beside, memory, serving
from benchmarks.issuer.beside import Other
from tests.fixtures.redis import RedisServer, find_binary

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("uvicorn", "uvloop", "httptools", "starlette", "asyncpg", "msgspec", "cryptography")
CONNECTIONS = 16
SESSIONS = 480
WARM, REQUESTS = 400, 800
AT_MOST = 3.0  # seconds of one turn
SQLITE, POSTGRESQL = "Admit, SQLite", "Admit, PostgreSQL"
FLOOR_SQLITE, FLOOR_POSTGRESQL = "floor, SQLite", "floor, PostgreSQL"
MEMORY, REDIS = "oidc-provider, memory", "oidc-provider, Redis"
HOW = f"""\
CPU µs a request of the program alone (not of PostgreSQL or Redis). All run on one core and take turns; another core
asks over {CONNECTIONS} connections. The issuer is `admit serve` with all that it does; {SESSIONS} live sessions of
{serving.PEOPLE} people. The floor is benchmarks/issuer/server_floor.py: the same checks inline and the same durable
writes, on Starlette and uvicorn. oidc-provider has static clients, ES256 and NODE_ENV=production; on Redis by a small
adapter of its documented contract. Refreshed tokens are those of a public client, so that both rotate them. A sign-on
is `/authorize` by a signed-in browser that said yes before, and the code at `/token`: the figures are for both. Ratios
are medians of the rounds' ratios."""
HEADS = ("", "", "µs", "to", "×", "best to worst", "goal")


@dataclass(frozen=True, slots=True)
class Goal:
    """`who` takes at most so many times what `beside` takes. `limit` None: only told."""

    who: str
    beside: str
    limit: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that is asked. `each`: how many requests make one."""

    name: str
    scripts: Mapping[str, Callable[[int], Script]]
    goals: Sequence[Goal]
    each: int = 1


@dataclass(frozen=True, slots=True)
class Running:
    """All programs by name."""

    others: Mapping[str, Other]

    def of(self, make: Callable[[Other, int], Script], *names: str) -> dict[str, Callable[[int], Script]]:
        """The same script for each of these programs that is there."""
        return {
            name: lambda number, other=self.others[name]: make(other, number)  # type: ignore[misc]  # a default binds it now
            for name in names
            if name in self.others
        }


def documents(running: Running, path: str) -> dict[str, Callable[[int], Script]]:
    """A document of ours, and one of the floor's that is as long."""
    return {
        **running.of(lambda other, _: asking.gets(other.host, path), SQLITE),
        **running.of(lambda other, _: asking.gets(other.host, "/document"), FLOOR_SQLITE),
    }


def jobs(running: Running) -> list[Job]:
    everybody = (SQLITE, FLOOR_SQLITE, POSTGRESQL, FLOOR_POSTGRESQL)
    jwts = running.others[FLOOR_SQLITE].jwts
    return [
        Job(
            "client credentials, ES256, its record written",
            running.of(lambda other, _: asking.machines(other.host, other.paths), *everybody, MEMORY, REDIS),
            (
                Goal(SQLITE, FLOOR_SQLITE, 1.6), Goal(SQLITE, MEMORY, 0.75), Goal(SQLITE, REDIS, None),
                Goal(POSTGRESQL, FLOOR_POSTGRESQL, 1.6), Goal(POSTGRESQL, MEMORY, 0.75),
            ),
        ),
        Job(
            "introspection, opaque",
            running.of(
                lambda other, _: asking.introspections(
                    other.host, other.paths, beside.shuffled(other.opaque),
                    "robot" if other.paths is beside.PEER_PATHS else serving.OPAQUE,
                ),
                *everybody, REDIS,
            ),
            (
                Goal(SQLITE, FLOOR_SQLITE, None), Goal(SQLITE, REDIS, 1.0),
                Goal(POSTGRESQL, FLOOR_POSTGRESQL, None), Goal(POSTGRESQL, REDIS, 1.0),
            ),
        ),
        Job(
            "introspection, JWT",
            {
                **running.of(
                    lambda other, _: asking.introspections(
                        other.host, other.paths, beside.shuffled(other.jwts), serving.API
                    ),
                    SQLITE, POSTGRESQL,
                ),
                **running.of(
                    lambda other, _: asking.introspections(other.host, other.paths, jwts, serving.API),
                    FLOOR_SQLITE,
                ),
            },
            (Goal(SQLITE, FLOOR_SQLITE, 2.0), Goal(POSTGRESQL, FLOOR_SQLITE, None)),
        ),
        Job(
            "refresh rotated, ES256",
            running.of(
                lambda other, number: asking.refreshes(other.host, other.paths, other.refresh[number]),
                *everybody, REDIS,
            ),
            (
                Goal(SQLITE, FLOOR_SQLITE, 2.0), Goal(SQLITE, REDIS, None),
                Goal(POSTGRESQL, FLOOR_POSTGRESQL, 1.8), Goal(POSTGRESQL, REDIS, 0.8),
            ),
        ),
        Job(
            "sign-on: authorize and token, ES256",
            running.of(
                lambda other, number: asking.sign_ons(
                    other.host, other.paths, other.cookies[number::CONNECTIONS]
                ),
                *everybody, REDIS,
            ),
            (
                Goal(SQLITE, FLOOR_SQLITE, 2.5), Goal(SQLITE, REDIS, None),
                Goal(POSTGRESQL, FLOOR_POSTGRESQL, 2.5), Goal(POSTGRESQL, REDIS, None),
            ),
            each=2,
        ),
        Job("key set", documents(running, "/jwks"), (Goal(SQLITE, FLOOR_SQLITE, 1.25),)),
        Job(
            "metadata",
            documents(running, "/.well-known/openid-configuration"),
            (Goal(SQLITE, FLOOR_SQLITE, 1.25),),
        ),
    ]  # fmt: skip


async def in_turns(job: Job, running: Running, rounds: int, noise: figures.Noise) -> dict[str, list[float]]:
    """µs of CPU of each program, round by round."""
    loads = {
        name: Load(running.others[name].program.port, [make(number) for number in range(CONNECTIONS)])
        for name, make in job.scripts.items()
    }
    for load in loads.values():
        await load.run(WARM * job.each, seconds=AT_MOST)
    taken: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(rounds):
        noise.sample()
        for name in list(loads)[:: 1 if number % 2 else -1]:
            program = running.others[name].program
            before = program.cpu()
            answers = await loads[name].run(REQUESTS * job.each, seconds=AT_MOST)
            taken[name].append((program.cpu() - before) / answers * job.each * 1e6)
    return taken


def rows_of(job: Job, taken: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """A line for each goal; then what each program took that is only compared with."""
    rows: list[tuple[str, ...]] = []
    told: set[str] = set()
    for goal in job.goals:
        if goal.who not in taken or goal.beside not in taken:
            continue
        ratios = [one / other for one, other in zip(taken[goal.who], taken[goal.beside], strict=True)]
        ratio = statistics.median(ratios)
        wanted = "" if goal.limit is None else f"≤ {goal.limit}: {figures.verdict(met=ratio <= goal.limit)}"
        rows.append(
            (
                job.name if not rows else "",
                goal.who if goal.who not in told else "",
                f"{statistics.median(taken[goal.who]):.0f}" if goal.who not in told else "",
                f"{goal.beside}: {statistics.median(taken[goal.beside]):.0f} µs",
                f"{ratio:.2f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                wanted,
            )
        )
        told.add(goal.who)
    return rows


async def measure(folder: Path, dsns: Sequence[str], redis: str | None, rounds: int) -> list[str]:
    """The tables of the cost and of the memory, and what there was to say."""
    noise = figures.Noise()
    made = {
        SQLITE: serving.Served(folder / "sqlite"),
        POSTGRESQL: serving.Served(folder / "postgresql", dsns[0]),
    }
    for one in made.values():
        await serving.furnish(one, sessions=SESSIONS, tokens=CONNECTIONS)
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        others: dict[str, Other] = {}

        def start(name: str, other: Other, ready: str) -> Other:
            stack.enter_context(other.program).until_ready(ready, host=other.host)
            others[name] = other
            return other

        for name, one in made.items():
            cookies = [f"{one.cookie}={value}" for value in one.sessions]
            ours = Other(one.serve(), cookies=cookies, refresh=one.refresh, jwts=one.jwts, opaque=one.opaque)
            start(name, ours, "/health/ready")
        for name, database in ((FLOOR_SQLITE, str(folder / "floor.db")), (FLOOR_POSTGRESQL, dsns[1])):
            other = Other(_floor(folder / name.replace(", ", "-"), database))
            await beside.furnish_floor(database, other, sessions=SESSIONS, tokens=CONNECTIONS)
            start(name, other, "/ready")
        others[FLOOR_SQLITE].jwts = await _tokens_of(others[FLOOR_SQLITE])
        why = beside.why_no_peer()
        if why is not None:
            told.append(why)
        elif redis is None:
            told.append("oidc-provider on Redis is not measured: no redis-server or valkey-server")
        for name, url in () if why is not None else ((MEMORY, None), (REDIS, redis)):
            if url is None and name == REDIS:
                continue
            other = Other(beside.peer_program(folder / name, url), beside.PEER_PATHS)
            start(name, other, "/ready")
            if name == REDIS:
                await beside.furnish_peer(other, sessions=SESSIONS, tokens=CONNECTIONS)
        stack.enter_context(pinned(1))
        running, rows = Running(others), []
        for job in jobs(running):
            found = rows_of(job, await in_turns(job, running, rounds, noise))
            print("\n".join(" ".join(row) for row in found), flush=True)
            rows += found
    sized = serving.Served(folder / "memory")  # of its own: access tokens live five minutes
    await serving.furnish(sized, sessions=SESSIONS, tokens=CONNECTIONS)
    size = await memory.measure_server(sized, 2.0 * rounds)
    return [figures.table(HEADS, rows), size, *told, f"{rounds} rounds; {noise}."]


def _floor(folder: Path, database: str) -> Program:
    return beside.floor_program(folder, database, free_port())


async def _tokens_of(floor: Other) -> list[str]:
    """JWTs that the floor signed: it knows no others."""
    found: list[str] = []

    def script() -> Script:
        for _ in range(CONNECTIONS):
            form = {"grant_type": "client_credentials", "scope": serving.SCOPE}
            answer = yield asking.post(floor.host, "/token", form, asking.basic("robot"))
            found.append(json.loads(answer.body)["access_token"])

    await Load(floor.program.port, [script()]).run()
    return found


def main() -> None:
    end_in_order()
    words = sys.argv[1:]
    rounds = next((int(word) for word in words if word.isdigit()), 8)
    with (
        tempfile.TemporaryDirectory(prefix="admit-bench-") as name,
        postgresql() as database,
        contextlib.ExitStack() as stack,
    ):
        parts = [figures.heading("The authorization server's speed", PACKAGES), HOW]
        print("\n\n".join(parts), flush=True)
        server = stack.enter_context(contextlib.closing(RedisServer())) if find_binary() else None
        dsns = [database.dsn(database.create_database()) for _ in range(2)]
        found = runner(measure(Path(name), dsns, server.url if server is not None else None, rounds))
        parts += [*found[:-1], f"PostgreSQL {server_version(database)}; {found[-1]}"]
        print("\n" + "\n\n".join(parts[2:]), flush=True)
    if "--save" in words:
        (ROOT / "benchmarks" / "results" / "server.md").write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
