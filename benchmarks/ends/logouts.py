"""Fifty log-outs at a time: over HTTP, as the transaction alone, and what each of them ends with alone."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from admit.issuer import Issuer
from admit.issuer.audit import AuditEvent
from admit.issuer.storage import PUBLISH, Steps
from benchmarks.harness import figures
from benchmarks.harness.deployed import Deployed, SignedIn
from benchmarks.harness.load import expect
from benchmarks.harness.paced import Client, Pace, percentile
from benchmarks.harness.programs import Program, machine_cpu, tree_cpu
from benchmarks.issuer.furnished import INFO
from tests.fixtures.postgres import PostgresServer

PARALLEL = 50
CONNECTIONS = 10  # what a node has by default
GOAL_RATE = 400.0
GOAL_P99 = 1.0

End = Callable[[int, SignedIn], Awaitable[object]]


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


@dataclass(slots=True)
class Row:
    """One way to log out; what its rounds gave."""

    name: str
    end: End
    nodes: Sequence[Program] = ()
    goal: bool = False
    around: Callable[[], AbstractAsyncContextManager[None]] = _nothing
    rates: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)
    node_cpu: list[float] = field(default_factory=list)
    server_cpu: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        rate, p99 = statistics.median(self.rates), percentile(self.taken, 0.99)
        met = rate >= GOAL_RATE and p99 <= GOAL_P99 and not self.pace.failed
        return (
            self.name,
            f"{rate:,.0f}",
            f"{min(self.rates):,.0f} to {max(self.rates):,.0f}",
            f"{percentile(self.taken, 0.5) * 1e3:,.0f}",
            f"{p99 * 1e3:,.0f}",
            f"{statistics.median(self.node_cpu) * 1e3:.2f}" if self.nodes else "",
            f"{statistics.median(self.server_cpu) * 1e3:.2f}",
            f"{statistics.median(self.busy):.2f}",
            f"{len(self.pace.failed)}",
            f"≥ {GOAL_RATE:.0f}/s, p99 ≤ {GOAL_P99 * 1e3:,.0f}: {figures.verdict(met=met)}"
            if self.goal
            else "",
        )


HEADS = (
    f"{PARALLEL} at a time", "a second", "worst to best", "p50, ms", "p99, ms", "issuer CPU each, ms",
    "PostgreSQL CPU each, ms", "cores busy", "failed", "goal",
)  # fmt: skip


@asynccontextmanager
async def rows(deployed: Deployed, nodes: Sequence[Program]) -> AsyncIterator[list[Row]]:
    """What is measured. The first node answers alone, then both by turns."""
    issuer = Transactions(deployed)
    clients = [Client(node.port) for node in nodes]
    try:
        yield [
            Row("floor: a transaction that only publishes", issuer.publish, around=issuer.opened),
            Row("the transaction, no HTTP", issuer.end, around=issuer.opened),
            Row("DELETE /api/session at one node", _over_http(deployed, clients[:1]), nodes[:1], goal=True),
            Row("DELETE /api/session at two nodes", _over_http(deployed, clients), nodes, goal=True),
        ]
    finally:
        for client in clients:
            client.close()


class Transactions:
    """A node inside this process, open only while it is measured: it would listen to all the others."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._issuer: Issuer | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """For the time of a round."""
        async with self._deployed.in_process() as self._issuer:
            yield

    async def end(self, _number: int, one: SignedIn) -> None:
        """What the endpoint calls."""
        assert self._issuer is not None
        ended = await self._issuer.services.sessions.end(
            one.session_id, user_id=one.user_id, reason="logout", event=AuditEvent.LOGOUT, info=INFO,
            now=time.time(),
        )  # fmt: skip
        assert ended

    async def publish(self, _number: int, _one: SignedIn) -> None:
        """What every end has to wait for, and nothing else."""
        assert self._issuer is not None
        await self._issuer.db.run(_publish)


def _publish() -> Steps[None]:
    yield PUBLISH


def _over_http(deployed: Deployed, clients: Sequence[Client]) -> End:
    async def end(number: int, one: SignedIn) -> None:
        expect(await clients[number % len(clients)].ask(deployed.log_out(one)), 204)

    return end


async def one_round(row: Row, server: PostgresServer, going: Sequence[SignedIn]) -> None:
    """All of `going`, `PARALLEL` at a time, each as soon as one before it is done."""
    left: Iterator[tuple[int, SignedIn]] = iter(enumerate(going))
    pid = server.pid

    async def work() -> None:
        for number, one in left:
            began = time.perf_counter()
            if await row.pace.begin(row.end(number, one)):
                row.taken.append(time.perf_counter() - began)

    nodes, postgres, machine = sum(node.cpu() for node in row.nodes), tree_cpu(pid), machine_cpu()
    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(PARALLEL)))
    lasted = time.perf_counter() - began
    row.rates.append(len(going) / lasted)
    row.node_cpu.append((sum(node.cpu() for node in row.nodes) - nodes) / len(going))
    row.server_cpu.append((tree_cpu(pid) - postgres) / len(going))
    row.busy.append((machine_cpu() - machine) / lasted)


async def measure(
    deployed: Deployed,
    nodes: Sequence[Program],
    server: PostgresServer,
    going: Sequence[SignedIn],
    rounds: int,
    noise: figures.Noise,
) -> str:
    """The table: so many rounds of each row by turns, out of `going`."""
    async with rows(deployed, nodes) as made:
        size = len(going) // (rounds * len(made))
        parts = iter([going[at : at + size] for at in range(0, len(going), size)])
        for _ in range(rounds):
            noise.sample()
            for row in made:
                async with row.around():
                    await one_round(row, server, next(parts))
                told = "".join(f"; failed: {text}" for _, text in row.pace.failed[-1:])
                print(f"{row.name}: {row.rates[-1]:,.0f} a second{told}", flush=True)
        return figures.table(HEADS, [row.cells() for row in made])
