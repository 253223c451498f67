"""Faults of the verifier's clocks. The boot clock is no fault of any real machine: the bound is held all the same."""

import asyncio
from dataclasses import dataclass, replace
from random import Random

from admit.verifier.boottime import boottime
from tests.system.faults.fault import BOUND, POLL, TERMS, Fault
from tests.system.faults.journal import Held
from tests.system.faults.rig import Rig

# A boot clock that lies is found out by a second one. That is looked at when asking failed, not at each request.
FOUND_OUT = replace(TERMS, over=POLL + BOUND / 3 + TERMS.round)


@dataclass(frozen=True, slots=True)
class WallOff(Fault):
    """The wall clock is 30 s off, or is set while tokens are checked; meanwhile the issuer is cut off for a time."""

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, 1.5 * BOUND))
        steps = rng.choice([[30.0], [-30.0], [30.0, -30.0], [-30.0, 30.0], [20.0, -20.0, 0.0]])
        cut = rng.random() < 0.5
        began = boottime()
        if cut:
            rig.proxy.cut()
        for off in steps:
            await rig.checkers.turn(wall=off)
            await asyncio.sleep(rng.uniform(0.2, 1.8 * BOUND / len(steps)))
        if cut:
            await rig.proxy.heal()
            rig.outage(began)
        await ending
        await rig.checkers.turn(wall=rng.choice([0.0, steps[-1]]))


@dataclass(frozen=True, slots=True)
class BootJumps(Fault):
    """The boot clock jumps, forward or backward, by less or more than the bound, with the issuer there or cut off."""

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, BOUND))
        cut = rng.random() < 0.5
        began = boottime()
        if cut:
            rig.proxy.cut()
        await asyncio.sleep(rng.uniform(0, 0.5))
        off = rng.choice([-1, 1]) * rng.choice([0.7, 1.5, 3.0, 60.0, 20_000.0])
        await self._jump(rig, 0.0, off)
        await asyncio.sleep(rng.uniform(0.5, 2 * BOUND))
        if cut:
            await rig.proxy.heal()
            rig.outage(began, held=Held.DOUBT)
        await ending
        await self._jump(rig, off, 0.0)
        rig.clock_is_right()

    async def _jump(self, rig: Rig, before: float, after: float) -> None:
        """One that went back makes doubtful all that was dated by it, keys too: 503 until they were asked for anew."""
        at = boottime()
        await rig.checkers.turn(boot=after)
        if after < before:
            rig.outage(at, held=Held.DOUBT)


@dataclass(frozen=True, slots=True)
class BootStands(Fault):
    """The boot clock stands still, with the issuer there or cut off (`cut`: always)."""

    cut: bool = False
    shortest: float = 0.5
    longest: float = 2 * BOUND

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, 0.3 if self.cut else BOUND))
        cut = self.cut or rng.random() < 0.5
        began = boottime()
        if cut:
            rig.proxy.cut()
        await asyncio.sleep(rng.uniform(0, 0.3))
        await rig.checkers.turn(stand=True)
        await asyncio.sleep(rng.uniform(self.shortest, self.longest))
        if cut:
            await rig.proxy.heal()
            rig.outage(began)
        await ending
        await rig.checkers.turn(stand=False)
        rig.clock_is_right()


FAULTS: tuple[Fault, ...] = (
    WallOff("wall clock 30 s off"),
    BootJumps("boot clock jumps", terms=FOUND_OUT),
    BootStands("boot clock stands", terms=FOUND_OUT),
)
