"""One series: so many log-outs at a rate, at one node, while eight verifier processes follow the other."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.deployed import Deployed, SignedIn
from benchmarks.harness.load import expect
from benchmarks.harness.paced import Client, at_rate
from benchmarks.harness.programs import dies_with_us, environment, machine_cpu
from benchmarks.issuer.furnished import API

PROGRAM = Path(__file__).with_name("verifier.py")
VERIFIERS = 8
MAX_STALENESS = 30.0
TOLD_BEFORE = 1.0  # seconds for which every verifier takes a token before its session is ended
_LAST = 5.0
_START = 60.0


@dataclass(frozen=True, slots=True)
class Kind:
    """How the verifiers follow, and how much is measured of it. `goal` is for the 99th percentile, in seconds."""

    name: str
    poll: float
    stream: bool
    goal: float
    count: int
    rate: float
    every_ms: int = 2
    each_turn: int = 10


class Outcome(NamedTuple):
    """Seconds from the answer to a log-out until the last of all verifiers refused its token."""

    delays: list[float]
    each: list[float]
    answers: list[float]
    never: int
    counts: dict[str, float]
    verifying: float
    busy: float
    late: float
    failed: list[tuple[float, str]]


@dataclass(slots=True)
class _Verifier:
    child: asyncio.subprocess.Process
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    refused: dict[int, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    reading: "asyncio.Task[None] | None" = None

    async def read(self) -> None:
        assert self.child.stdout is not None
        async for line in self.child.stdout:
            if line.startswith(b"{"):
                self.counts = json.loads(line)
            else:
                number, _, at = line.partition(b" ")
                self.refused[int(number)] = float(at)
                self.heard.set()

    def tell(self, number: int, token: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{number} {token}\n".encode("ascii"))

    async def end(self) -> None:
        """Ask for its counts, and wait until it is gone."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        try:
            await asyncio.wait_for(self.child.wait(), 10)
        except TimeoutError:
            self.child.kill()
            await self.child.wait()
        if self.reading is not None:
            await self.reading


async def measure(
    deployed: Deployed, front: int, kind: Kind, going: Sequence[SignedIn], staying: Sequence[str]
) -> Outcome:
    """`front` is the port before the node at which people log out; `going` are those who do."""
    verifiers = await _start(deployed, kind, staying)
    try:
        client = Client(front)
        answered: dict[int, float] = {}
        answers: list[float] = []

        async def log_out(number: int) -> None:
            for one in verifiers:
                one.tell(number, going[number].token)
            await asyncio.sleep(TOLD_BEFORE)
            began = time.monotonic()
            expect(await client.ask(deployed.log_out(going[number])), 204)
            answered[number] = time.monotonic()
            answers.append(answered[number] - began)

        began, used = time.monotonic(), machine_cpu()
        pace = await at_rate(kind.rate, kind.count, log_out)
        busy = (machine_cpu() - used) / (time.monotonic() - began)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MAX_STALENESS + _LAST):
                await _until_refused(verifiers, answered)
        lasted = time.monotonic() - began
        client.close()
    finally:
        await asyncio.gather(*(one.end() for one in verifiers))
    counts: dict[str, float] = {}
    for one in verifiers:
        for name, number in one.counts.items():
            counts[name] = counts.get(name, 0) + number
    full = [number for number in answered if all(number in one.refused for one in verifiers)]
    each = [one.refused[number] - answered[number] for number in full for one in verifiers]
    delays = [max(one.refused[number] for one in verifiers) - answered[number] for number in full]
    verifying = counts.get("cpu", 0.0) / lasted
    never = len(answered) - len(full)
    return Outcome(delays, each, answers, never, counts, verifying, busy, pace.late, pace.failed)


async def _until_refused(verifiers: Sequence[_Verifier], answered: Collection[int]) -> None:
    """Until every verifier has refused every token whose log-out was answered."""
    for one in verifiers:
        while not one.refused.keys() >= set(answered):
            one.heard.clear()
            await one.heard.wait()


async def _start(deployed: Deployed, kind: Kind, staying: Sequence[str]) -> list[_Verifier]:
    config = deployed.folder / "verifier.json"
    members = {
        "issuer": deployed.issuer, "audience": API, "max_staleness": MAX_STALENESS, "poll": kind.poll,
        "stream": kind.stream, "staying": list(staying), "every_ms": kind.every_ms, "each_turn": kind.each_turn,
    }  # fmt: skip
    config.write_text(json.dumps(members), "utf-8")
    made: list[_Verifier] = []
    try:
        for number in range(VERIFIERS):
            with (deployed.folder / f"verifier-{number}.log").open("wb") as log:
                child = await asyncio.create_subprocess_exec(
                    sys.executable, str(PROGRAM), str(config), stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE, stderr=log, preexec_fn=dies_with_us(),
                    env=environment(deployed.folder / "bytecode"),
                )  # fmt: skip
            made.append(_Verifier(child))
        for number, one in enumerate(made):
            assert one.child.stdout is not None
            line = await asyncio.wait_for(one.child.stdout.readline(), _START)
            if line != b"ready\n":
                log_file = deployed.folder / f"verifier-{number}.log"
                raise SystemExit(f"a verifier did not start:\n{log_file.read_text('utf-8', 'replace')}")
            one.reading = asyncio.create_task(one.read())
    except BaseException:
        for one in made:
            one.child.kill()
        raise
    return made
