"""What heads, lists and the stream cost the issuer: the same log-outs with fifty verifiers and with none."""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import figures
from benchmarks.harness.deployed import Deployed, SignedIn
from benchmarks.harness.load import expect
from benchmarks.harness.paced import Client, at_rate
from benchmarks.harness.programs import Program, dies_with_us, environment, machine_cpu
from benchmarks.issuer.furnished import API

PROGRAM = Path(__file__).with_name("followers.py")
PROCESSES = 2
VERIFIERS = 50
POLL = 5.0
RATE = 100.0
GOAL = 0.05
WARM = 1.0  # seconds
_START = 90.0


@dataclass(slots=True)
class Cost:
    """CPU of the issuer as a share of one core, a value for each turn, and what the verifiers asked for."""

    alone: list[float] = field(default_factory=list)
    followed: list[float] = field(default_factory=list)
    unasked: list[float] = field(default_factory=list)
    lasted: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    octets: Counter[str] = field(default_factory=Counter)
    fresh: list[int] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    late: float = 0.0
    failed: list[str] = field(default_factory=list)


async def measure(
    deployed: Deployed,
    node: Program,
    unasked: Program,
    going: Sequence[SignedIn],
    turns: int,
    noise: figures.Noise,
) -> str:
    """The tables: `turns` times without and with verifiers, out of `going`. `unasked` is a node that nobody asks."""
    cost = Cost()
    size = len(going) // (2 * turns)
    parts = iter([going[at : at + size] for at in range(0, 2 * turns * size, size)])
    client = Client(node.port)
    for turn in range(turns):
        noise.sample()
        used, began = unasked.cpu(), time.perf_counter()
        cost.alone.append(await _log_out_all(deployed, node, client, next(parts), cost))
        cost.unasked.append((unasked.cpu() - used) / (time.perf_counter() - began - WARM))
        async with _following(deployed, cost) as followers:
            cost.followed.append(await _log_out_all(deployed, node, client, next(parts), cost, followers))
        print(f"turn {turn + 1}: {cost.alone[-1]:.1%} alone, {cost.followed[-1]:.1%} followed", flush=True)
    client.close()
    return "\n\n".join((_table(cost), _asked(cost)))


async def _log_out_all(
    deployed: Deployed,
    node: Program,
    client: Client,
    going: Sequence[SignedIn],
    cost: Cost,
    followers: "Sequence[asyncio.subprocess.Process]" = (),
) -> float:
    """All of `going` at the rate; the share of a core that the node took for it."""

    async def log_out(number: int) -> None:
        expect(await client.ask(deployed.log_out(going[number])), 204)

    await asyncio.sleep(WARM)
    used, machine, began = node.cpu(), machine_cpu(), time.perf_counter()
    pace = await at_rate(RATE, len(going), log_out)
    cost.late = max(cost.late, pace.late)
    cost.failed += [told for _, told in pace.failed]
    lasted = time.perf_counter() - began
    share = (node.cpu() - used) / lasted
    if followers:
        cost.lasted += lasted
        cost.busy.append((machine_cpu() - machine) / lasted)
    return share


@asynccontextmanager
async def _following(deployed: Deployed, cost: Cost) -> "AsyncIterator[list[asyncio.subprocess.Process]]":
    """Fifty verifiers that are fresh, until the block ends; what they asked meanwhile is added to `cost`."""
    config = deployed.folder / "followers.json"
    members = {"issuer": deployed.issuer, "audience": API, "poll": POLL, "count": VERIFIERS // PROCESSES}
    config.write_text(json.dumps(members), "utf-8")
    made: list[asyncio.subprocess.Process] = []
    try:
        for number in range(PROCESSES):
            with (deployed.folder / f"followers-{number}.log").open("wb") as log:
                made.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, str(PROGRAM), str(config), stdin=asyncio.subprocess.PIPE,
                        stdout=asyncio.subprocess.PIPE, stderr=log, preexec_fn=dies_with_us(),
                        env=environment(deployed.folder / "bytecode"),
                    )
                )  # fmt: skip
        for number, one in enumerate(made):
            assert one.stdout is not None
            if await asyncio.wait_for(one.stdout.readline(), _START) != b"ready\n":
                log_file = deployed.folder / f"followers-{number}.log"
                raise SystemExit(f"verifiers did not start:\n{log_file.read_text('utf-8', 'replace')}")
        yield made
        fresh = 0
        for one in made:
            assert one.stdin is not None
            one.stdin.close()
            told, _ = await asyncio.wait_for(one.communicate(), 15)
            counted = json.loads(told)
            fresh += counted["fresh"]
            cost.asked.update(counted["counts"])
            cost.octets.update(counted["octets"])
        cost.fresh.append(fresh)
    finally:
        for one in made:
            if one.returncode is None:
                one.kill()
                await one.wait()


def _table(cost: Cost) -> str:
    pairs = list(zip(cost.alone, cost.followed, strict=True))
    differences = [followed - alone for alone, followed in pairs]
    middle = statistics.median(differences)
    row = (
        f"{RATE:.0f} log-outs a second",
        f"{statistics.median(cost.alone):.1%}",
        f"{statistics.median(cost.followed):.1%}",
        f"{statistics.median(cost.unasked):.1%}",
        f"{middle:.1%}",
        f"{min(differences):.1%} to {max(differences):.1%}",
        f"≤ {GOAL:.0%}: {figures.verdict(met=middle <= GOAL)}",
    )
    heads = (
        "issuer CPU, of one core", "no verifier", f"{VERIFIERS} verifiers", "a node that is asked nothing",
        "publishing", "best to worst", "goal",
    )  # fmt: skip
    return figures.table(heads, [row])


def _asked(cost: Cost) -> str:
    names = sorted(cost.asked, key=lambda name: -cost.asked[name])
    rows = [
        (name, f"{cost.asked[name] / cost.lasted:.1f}", f"{cost.octets[name] / cost.asked[name]:,.0f}")
        for name in names
    ]
    told = figures.table((f"asked by {VERIFIERS} verifiers", "a second", "octets of an answer"), rows)
    return (
        f"{told}\n\nFresh at the end: {min(cost.fresh)} of {VERIFIERS}. Cores busy meanwhile: "
        f"{max(cost.busy):.2f}. Latest start of a log-out: {cost.late * 1e3:.0f} ms. "
        f"Log-outs that failed: {len(cost.failed)}{f' ({cost.failed[0]})' if cost.failed else ''}."
    )
