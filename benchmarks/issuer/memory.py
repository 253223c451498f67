"""Memory of the issuer's process under mixed load, apart from that of password hashes.

A hash takes 19 MiB while it runs, and `hash_threads` of them run at a time; the C library may keep such a block for the
next hash. So the issuer's own memory is measured twice: before anybody has signed in, when there is no such block, and
with more browsers signing in than hashes may run, when what is resident is the issuer's and that of `hash_threads`
hashes, which is taken off.

One of the connections is refused all the time, so that logs are at work as well. structlog also loads rich where it is
installed, as it is among the development tools here: some MiB that an issuer elsewhere need not have.
"""

import asyncio

from admit.issuer import AccountsConfig
from admit.issuer.accounts.passwords import ARGON2
from benchmarks.harness import figures
from benchmarks.harness.load import Load
from benchmarks.harness.programs import Program
from benchmarks.issuer import asking, furnished
from benchmarks.issuer.cost import CONNECTIONS
from benchmarks.issuer.furnished import Furnished
from benchmarks.issuer.serving import API, OPAQUE, Served

GOAL = 90.0
SERVER_GOAL = 110.0
EVERY = 0.02
GRANTS = range(CONNECTIONS, CONNECTIONS + 8)
"""Grants of its own: what is rotated here is of no more use for the cost of a request."""
HEADS = ("memory", "requests", "sign-ins", "most MiB", "hashes", "beside hashes", "goal")
HASHES = AccountsConfig().hash_threads * ARGON2.memory_cost / 1024


async def measure(made: Furnished, seconds: float) -> str:
    """The table: at rest, under look-ups and refreshes, with sign-ins as well."""
    with made.serve() as program:
        program.until_ready("/health/ready", host=made.host)
        everybody = len(made.sessions)
        calm = Load(
            program.port,
            [furnished.lookups(made, everybody) for _ in range(8)]
            + [furnished.checks(made, everybody, "/api/session") for _ in range(4)]
            + [furnished.refreshes(made, number) for number in GRANTS]
            + [furnished.strangers(made)],
        )
        signing_in = Load(program.port, [furnished.sign_ins(made) for _ in range(8)])
        rows = [row_of("just started", program.memory(), 0, 0)]
        rows.append(await sampled("look-ups, session checks, refreshes", program, seconds, calm))
        rows.append(await sampled("the same with sign-ins", program, 2 * seconds, calm, signing_in))
    return figures.table(HEADS, rows)


async def measure_server(made: Served, seconds: float) -> str:
    """The table of an authorization server: at rest, and under all that clients and APIs ask of it at a time."""
    paths, loads = asking.Paths(), []
    carried = [f"{made.cookie}={value}" for value in made.sessions]
    with made.serve(core=None) as program:
        program.until_ready("/health/ready", host=made.host)
        loads += [asking.sign_ons(made.host, paths, carried[number::4]) for number in range(4)]
        loads += [asking.refreshes(made.host, paths, token) for token in made.refresh]
        loads += [asking.machines(made.host, paths) for _ in range(4)]
        loads.append(asking.introspections(made.host, paths, made.jwts, API))
        loads.append(asking.introspections(made.host, paths, made.opaque, OPAQUE))
        loads += [asking.gets(made.host, path) for path in ("/jwks", "/.well-known/openid-configuration")]
        rows = [row_of("just started", program.memory(), 0, 0, SERVER_GOAL)]
        name = "sign-ons, refreshes, client credentials, introspection, documents"
        rows.append(await sampled(name, program, seconds, Load(program.port, loads), goal=SERVER_GOAL))
    return figures.table(HEADS, rows)


async def sampled(
    name: str,
    program: Program,
    seconds: float,
    calm: Load,
    signing_in: Load | None = None,
    *,
    goal: float = GOAL,
) -> tuple[str, ...]:
    """One phase, sampled all along."""
    samples: list[float] = []

    async def sample() -> None:
        while True:
            samples.append(program.memory())
            await asyncio.sleep(EVERY)

    sampling = asyncio.create_task(sample())
    runs = [load.run(seconds=seconds) for load in (calm, signing_in) if load is not None]
    answers = await asyncio.gather(*runs)
    sampling.cancel()
    return row_of(name, max(samples), answers[0], answers[1] // 2 if len(answers) > 1 else 0, goal)


def row_of(name: str, most: float, requests: int, signed_in: int, goal: float = GOAL) -> tuple[str, ...]:
    hashes = HASHES if signed_in else 0.0
    return (
        name,
        f"{requests:,}",
        f"{signed_in:,}",
        f"{most:.0f}",
        f"{hashes:.0f}",
        f"{most - hashes:.0f}",
        f"≤ {goal:.0f} MiB: {figures.verdict(met=most - hashes <= goal)}",
    )
