"""From "logout answered" to "refused by all of 8 verifier processes": `python benchmarks/delay/bench.py [--quick]
[--save]`.

Two issuer nodes on PostgreSQL behind nginx with its defaults: people log out at one, verifiers follow the other. With
the stream, and with polling alone every 2 s and 5 s. `--save` also writes benchmarks/results/delay.md; `--quick` only
shows that it runs. About four minutes; Linux, PostgreSQL and nginx.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.delay.series import MAX_STALENESS, VERIFIERS, Kind, Outcome, measure
from benchmarks.harness import figures
from benchmarks.harness.deployed import Deployed, SignedIn, postgresql, server_version
from benchmarks.harness.load import expect, request, runner
from benchmarks.harness.paced import Client, Pace, at_rate, percentile
from benchmarks.harness.programs import Program, end_in_order, environment, free_port, tree_cpu
from tests.fixtures.nginx import HINT, find_nginx, nginx_command, nginx_version

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("uvicorn", "uvloop", "asyncpg", "httpcore2", "cryptography")
KINDS = (
    Kind("stream (the default)", 5.0, True, 0.25, 2_000, 20.0),
    Kind("polling every 2 s", 2.0, False, 2.5, 500, 10.0, every_ms=5),
    Kind("polling every 5 s", 5.0, False, 5.5, 500, 10.0, every_ms=5),
)
QUICK = tuple(
    Kind(kind.name, kind.poll, kind.stream, kind.goal, 40, kind.rate, kind.every_ms) for kind in KINDS
)
STAYING = 50
CHECKS = 30.0  # session checks a second at each node
GRANTS = 20
ROTATIONS = 5.0  # refresh tokens rotated a second at each node


async def background(
    deployed: Deployed, fronts: tuple[int, int], staying: list[SignedIn], pace: Pace
) -> None:
    """Until cancelled: session checks and rotations at both nodes. A failure is noted in `pace`."""
    clients = [Client(port) for port in fronts]
    tokens = await deployed.refresh_tokens(GRANTS)
    form = (("content-type", "application/x-www-form-urlencoded"),)

    async def check(number: int) -> None:
        asked = deployed.check(staying[number % len(staying)])
        expect(await clients[number % 2].ask(asked), 200)

    async def rotate(number: int) -> None:
        grant = number % GRANTS
        fields = {"grant_type": "refresh_token", "refresh_token": tokens[grant], "client_id": "spa"}
        body = urlencode(fields).encode()
        # A grant comes back to the node before it only after all others: each knows what the other has rotated.
        asked = request("POST", "/token", host=deployed.host, headers=form, body=body)
        answer = expect(await clients[(number + number // GRANTS) % 2].ask(asked), 200)
        tokens[grant] = answer.body.split(b'"refresh_token":"', 1)[1].split(b'"', 1)[0].decode("ascii")

    await asyncio.gather(at_rate(2 * CHECKS, 2**31, check, pace), at_rate(2 * ROTATIONS, 2**31, rotate, pace))


def row_of(kind: Kind, outcome: Outcome) -> tuple[str, ...]:
    ordered = sorted(outcome.delays)
    over = outcome.never + sum(delay > MAX_STALENESS for delay in outcome.each)
    middle, most, rare = (percentile(ordered, share) for share in (0.5, 0.99, 0.999))
    met = most <= kind.goal and not over
    return (
        kind.name,
        f"{kind.count:,} at {kind.rate:.0f}/s",
        f"{percentile(outcome.each, 0.5) * 1e3:,.0f}",
        *(f"{value * 1e3:,.0f}" for value in (middle, most, rare, ordered[-1])),
        str(over),
        f"p99 ≤ {kind.goal * 1e3:,.0f}: {figures.verdict(met=met)}",
    )


def load_of(kind: Kind, outcome: Outcome, shares: Sequence[float], failed: int) -> tuple[str, ...]:
    """What else went on, so that the reader knows how busy the machine was."""
    answers = outcome.answers
    return (
        kind.name,
        f"{outcome.busy:.2f} of {os.cpu_count()}",
        f"{sum(shares) + outcome.verifying:.2f}",
        f"{shares[0]:.2f} and {shares[1]:.2f}",
        f"{outcome.verifying:.2f}",
        f"{outcome.counts['verified'] / 1e6:.1f}",
        f"{outcome.counts['good_refused']:.0f}",
        f"{outcome.counts['unavailable']:.0f}",
        f"{percentile(answers, 0.5) * 1e3:.0f} and {percentile(answers, 0.99) * 1e3:.0f}",
        f"{outcome.late * 1e3:.0f}",
        f"{len(outcome.failed)} and {failed}",
    )


HEADS = (
    "how verifiers follow", "log-outs", "each: p50, ms", "all 8: p50, ms", "p99", "p99.9", "worst",
    f"over {MAX_STALENESS:.0f} s", "goal",
)  # fmt: skip
LOAD_HEADS = (
    "meanwhile", "cores busy", "by this", "issuer nodes", "8 verifiers", "million tokens verified", "good ones refused",
    "503", "log-out answered, p50 and p99, ms", "latest start, ms",
    "failed: log-outs and others",
)  # fmt: skip


def how(nginx: str, postgres: str) -> str:
    return f"""\
Two issuer nodes (`admit serve`, one process each) on PostgreSQL {postgres}, durable as it comes, behind nginx {nginx}
with its defaults: answers buffered, HTTP/1.0 and a new connection for each request to the node behind; only `Host` is
passed on. Each person has a session, a grant and its token, and logs out at one node (`DELETE /api/session` through
nginx). {VERIFIERS} verifier processes follow the other node through nginx and look at each token that is about to end
every 2 ms (5 ms with polling); that is part of the delay. Log-outs begin at their due time, whether or not earlier
ones were answered. The delay is counted from the moment at which the answer was read; "all 8" is when the last one
refused.

Load: {2 * CHECKS:.0f} session checks and {2 * ROTATIONS:.0f} rotations a second over both nodes; each verifier
verifies tokens of {STAYING} people who stay signed in, all the time, and must not refuse one. Everything runs on this
one machine, load and measuring included: cores busy by anything else make these figures worse than they are."""


async def run(kinds: tuple[Kind, ...], parts: list[str]) -> None:
    def say(text: str) -> None:
        parts.append(text)
        print(f"\n{text}", flush=True)

    program, noise = find_nginx(), figures.Noise()
    if program is None:
        raise SystemExit(f"no nginx: {HINT}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="admit-bench-")))
        server = stack.enter_context(postgresql())
        deployed = Deployed(folder, server.dsn(server.create_database()))
        say(figures.heading("From logout answered to refused everywhere", PACKAGES))
        say(how(nginx_version(program), server_version(server)))
        await deployed.furnish()
        behind = (free_port(), free_port())
        people, other_front = STAYING, free_port()
        command = nginx_command(folder / "nginx", {deployed.port: behind[0], other_front: behind[1]})
        nodes = [stack.enter_context(deployed.serve(port)) for port in behind]
        for node in nodes:
            node.until_ready("/health/ready", host=deployed.host)
        env = environment(folder / "bytecode")
        proxy = Program(command, port=deployed.port, env=env, log=folder / "nginx.log")
        stack.enter_context(proxy).until_ready("/health/ready", host=deployed.host)
        rows, loads = [], []

        def used() -> list[float]:
            """Seconds of CPU: the nodes, and all else here but the verifiers."""
            trees = (tree_cpu(proxy.pid), tree_cpu(server.pid), time.process_time())
            return [*(node.cpu() for node in nodes), *trees]

        for kind in kinds:
            noise.sample()
            began = time.perf_counter()
            # Tokens live for ten minutes: they are made for each series.
            made = await deployed.sign_in(people + kind.count)
            staying, going = made[:people], made[people:]
            pace, begun_at = Pace(), time.monotonic()
            loading = asyncio.create_task(background(deployed, (deployed.port, other_front), staying, pace))
            before, begun = used(), time.perf_counter()
            try:
                outcome = await measure(deployed, other_front, kind, going, [one.token for one in staying])
            finally:
                loading.cancel()
                await asyncio.wait({loading})
            lasted = time.perf_counter() - begun
            shares = [(after - first) / lasted for after, first in zip(used(), before, strict=True)]
            for at, told in sorted(outcome.failed + pace.failed)[:5]:
                print(f"failed {at - begun_at:.1f} s after its start: {told}", flush=True)
            noise.sample()
            rows.append(row_of(kind, outcome))
            loads.append(load_of(kind, outcome, shares, len(pace.failed)))
            print(f"{kind.name}: {time.perf_counter() - began:.0f} s, {' | '.join(rows[-1])}", flush=True)
        say(figures.table(HEADS, rows))
        say(figures.table(LOAD_HEADS, loads))
        say(f"{noise}.")


def main() -> None:
    end_in_order()
    words = sys.argv[1:]
    parts: list[str] = []
    runner(run(QUICK if "--quick" in words else KINDS, parts))
    if "--save" in words and "--quick" not in words:
        target = ROOT / "benchmarks" / "results" / "delay.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
