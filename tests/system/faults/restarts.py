"""Verifiers that start with the issuer down, many that wake together, and an issuer restored from an old backup."""

import asyncio
import shutil
import signal
import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from admit.verifier.boottime import boottime
from tests.system.faults.fault import BOUND, POLL, TERMS, Fault, Kinds, follows
from tests.system.faults.journal import Held, Terms
from tests.system.faults.proxy import since, until
from tests.system.faults.rig import Rig

SAVED_EVERY = 2.0
LONGER = 3.6  # state is saved each two seconds, so that a shorter bound would leave nothing of it
KEPT = Terms(bound=LONGER, poll=SAVED_EVERY + POLL, round=0.35, recover=LONGER / 3 + 2 * POLL + 0.35)
KEEPING: Kinds = {
    "threads": follows({"state_dir": "threads"}, max_staleness=LONGER),
    "threadless": follows({"state_dir": "threadless", "background": False}, max_staleness=LONGER),
}


@dataclass(frozen=True, slots=True)
class ColdStart(Fault):
    """Verifiers are started anew while the issuer cannot be reached. They hold nothing, so they let nobody in."""

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, BOUND))
        await asyncio.sleep(rng.uniform(0, POLL))
        began = boottime()
        rig.proxy.cut()
        await rig.hear()
        restarted = boottime()
        await rig.restart_checkers()
        await rig.give(rig.families)
        await asyncio.sleep(rng.uniform(0.3, BOUND))
        rig.outage(restarted, held=Held.NOTHING)
        await rig.proxy.heal()
        healed = boottime()
        await ending
        await until(rig.settled, 60.0, "that verifiers have begun")
        rig.outage(began)
        rig.outage(restarted, held=Held.DOUBT)
        rig.note("begun after the issuer was back (s)", boottime() - healed)


@dataclass(frozen=True, slots=True)
class WarmStart(Fault):
    """The same with a `state_dir`: they go on with what an earlier process proved, within the bound."""

    async def run(self, rig: Rig, rng: Random) -> None:
        await asyncio.sleep(SAVED_EVERY)
        ending = asyncio.create_task(rig.end_at_random(rng, BOUND))
        await asyncio.sleep(rng.uniform(0, POLL))
        began = boottime()
        rig.proxy.cut()
        await rig.hear()
        await rig.restart_checkers()
        await rig.give(rig.families)
        await asyncio.sleep(rng.uniform(0.3, 1.2 * LONGER))
        await rig.proxy.heal()
        rig.outage(began)
        await ending


CROWD_BOUND, CROWD_POLL = (
    3.0,
    1.0,
)  # a hundred and fifty threads of one process: each has to wait for its turn
AFTER_SLEEP, AFTER_OUTAGE = "after sleep", "after an outage"


@dataclass(frozen=True, slots=True)
class Waking(Fault):
    """Many verifiers lose their proofs at one moment, and all want a new one."""

    async def prepare(self, rig: Rig, rng: Random) -> None:
        await rig.prepare(rng, old=3, young=1)

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, 0.5))
        before = rig.proxy.requests.total()
        if rng.random() < 0.5:
            await self._slept(rig)
        else:
            await self._cut_off(rig, rng)
        await ending
        rig.note("requests in all", rig.proxy.requests.total() - before)

    async def _slept(self, rig: Rig) -> None:
        """The machine slept: its boot clock is an hour further."""
        began = boottime()
        rig.slept += 3600.0
        await rig.checkers.turn(boot=rig.slept)
        await self._until_fresh(rig, began, AFTER_SLEEP)
        rig.outage(began, held=Held.DOUBT)

    async def _cut_off(self, rig: Rig, rng: Random) -> None:
        """Nobody could be reached for longer than the bound."""
        began = boottime()
        await rig.proxy.refuse()
        await asyncio.sleep(self.terms.bound + rng.uniform(0.2, 0.8))
        await rig.proxy.heal()
        healed = boottime()
        await self._until_fresh(rig, healed, AFTER_OUTAGE)
        rig.outage(began)

    async def _until_fresh(self, rig: Rig, began: float, what: str) -> None:
        """Until every one has asked and is right; how long that took, and how hard the issuer was asked."""
        deadline = began + 20
        while not all(one["ready"] for one in (await rig.checkers.health()).values()):
            assert boottime() < deadline, f"{what} some verifiers did not become fresh again"
        rig.note(f"{what}: all fresh (s)", boottime() - began)
        asked = since(rig.proxy.heads, began)
        together = [sum(at <= one < at + 0.1 for one in asked) for at in asked]
        rig.note(f"{what}: most heads in 100 ms", max(together, default=0))


@dataclass(frozen=True, slots=True)
class Restored(Fault):
    """The database is put back to what it was before some ends; then the epoch is raised, as restoring asks for.

    Where it is served before that by mistake, verifiers that saw more trust it in nothing.
    """

    async def run(self, rig: Rig, rng: Random) -> None:
        path = Path(rig.deployed.database.removeprefix("sqlite:///"))
        saved = path.with_suffix(".saved")
        before, after = rig.doomed[:2], rig.doomed[2:]
        await rig.end_at_random(rng, 0.2, before)
        back_up(path, saved)
        served_first = rng.random() < 0.5
        await rig.end_at_random(rng, rng.choice([0.1, 1.5]), after)
        if (
            served_first
        ):  # who never saw what was lost cannot miss it: that is why the epoch is raised before serving
            await until(rig.settled, 10.0, "that the ends are known")
        await asyncio.sleep(rng.uniform(0, 1.2))
        began = boottime()
        rig.serving[0].stop(signal.SIGKILL)
        await rig.close_database()
        for end in ("", "-wal", "-shm", "-mark"):  # as when the whole folder is put back
            path.with_name(path.name + end).unlink(missing_ok=True)
        shutil.copyfile(saved, path)
        path.chmod(0o600)
        await rig.open_database()
        if served_first:
            await self._serve(rig)
            await asyncio.sleep(rng.uniform(0, BOUND + POLL))
        await self._raise_epoch(rig)
        if not served_first:
            await self._serve(rig)
        # A database that is seen to have gone back makes what was proved before worth nothing, at once.
        rig.outage(began, held=Held.DOUBT if served_first else Held.PROOF)
        await rig.node.lists.ensure(rig.node.db, time.time())
        opened = boottime()
        await rig.give(await rig.open(3, young=True))
        rig.outage(opened, held=Held.DOUBT)  # nobody has their list before it was asked for once more

    async def _serve(self, rig: Rig) -> None:
        rig.serving[0].spawn()
        await asyncio.to_thread(rig.serving[0].wait)

    async def _raise_epoch(self, rig: Rig) -> None:
        """What is asked of whoever restores. It ends every family, since which of them were ended is not known."""

        async def command() -> None:
            assert await asyncio.to_thread(rig.deployed.command, "epoch", "raise") == 0

        await rig.end_by(rig.families, command)


def back_up(path: Path, to: Path) -> None:
    """A copy of a database in use, as it is at one moment."""
    to.unlink(missing_ok=True)
    source, target = sqlite3.connect(path), sqlite3.connect(to)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()


FAULTS: tuple[Fault, ...] = (
    ColdStart("cold start with the issuer down"),
    WarmStart("cold start with the issuer down, with state_dir", terms=KEPT, kinds=KEEPING, seconds=7.0),
    Restored("issuer restored from an old backup", seconds=7.0),
    Waking(
        "50 verifiers waking together",
        kinds={f"v{number}": follows(max_staleness=CROWD_BOUND, poll=CROWD_POLL) for number in range(50)},
        every=0.1,
        terms=replace(TERMS, bound=CROWD_BOUND, poll=CROWD_POLL, recover=CROWD_POLL + 2.0),
    ),
)
