"""Faults of the issuer itself: its processes, its keys, many ends at once."""

import asyncio
import secrets
import signal
import time
from dataclasses import dataclass, replace
from random import Random

from admit.issuer.keys import Purpose
from admit.issuer.revocation import ByUser
from admit.verifier.boottime import boottime
from tests.fixtures.processes import Child
from tests.system.faults.fault import BOUND, POLL, TERMS, Fault, Kinds, follows
from tests.system.faults.network import POLLED
from tests.system.faults.proxy import until
from tests.system.faults.rig import Family, Rig

BOTH = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class WithGrants(Fault):
    """Sessions as always, and grants that are ended over HTTP at the nodes that serve."""

    async def prepare(self, rig: Rig, rng: Random) -> None:
        await rig.prepare(rng, old=6)
        grants = await rig.grants(3)
        await rig.give(grants)
        rig.doomed += grants[1:]
        await until(rig.settled, 10.0, "that the grants' tokens are taken")

    async def end_all(self, rig: Rig, rng: Random, within: float) -> None:
        """Each at a random moment, where it can be ended."""

        async def at_node(family: Family) -> None:
            await asyncio.sleep(rng.uniform(0, within))
            await rig.end_at(rng.choice(rig.serving), family)

        sessions = [family for family in rig.doomed if family.refresh_token is None]
        grants = [family for family in rig.doomed if family.refresh_token is not None]
        await asyncio.gather(rig.end_at_random(rng, within, sessions), *map(at_node, grants))


@dataclass(frozen=True, slots=True)
class Killed(WithGrants):
    """The issuer's process is killed, also while it answers ends, and started again."""

    async def run(self, rig: Rig, rng: Random) -> None:
        node = rig.serving[0]
        away = rng.uniform(0, 0.8 * BOUND)
        ending = asyncio.create_task(self.end_all(rig, rng, away + 0.8))
        await asyncio.sleep(rng.uniform(0, 0.8))
        began = boottime()
        node.stop(signal.SIGKILL)
        await asyncio.sleep(away)
        node.spawn()
        await asyncio.to_thread(node.wait)
        rig.outage(began)
        await ending


@dataclass(frozen=True, slots=True)
class Paused(WithGrants):
    """The issuer's process stands still, then goes on."""

    async def run(self, rig: Rig, rng: Random) -> None:
        node = rig.serving[0]
        away = rng.uniform(0.2, 1.5 * BOUND)
        ending = asyncio.create_task(self.end_all(rig, rng, away + 0.5))
        await asyncio.sleep(rng.uniform(0, 0.5))
        began = boottime()
        node.tell(signal.SIGSTOP)
        try:
            await asyncio.sleep(away)
        finally:
            node.tell(signal.SIGCONT)
        rig.outage(began)
        await ending


@dataclass(frozen=True, slots=True)
class TwoNodes(WithGrants):
    """Two nodes publish at once: ends come at both and in the database, polls go to either in turn."""

    async def run(self, rig: Rig, rng: Random) -> None:
        await self.end_all(rig, rng, rng.choice([0.0, 0.2, 1.0]))


@dataclass(frozen=True, slots=True)
class Rotated(Fault):
    """A key for tokens or for heads is rotated, or revoked as stolen, while verifiers are cut off."""

    async def prepare(self, rig: Rig, rng: Random) -> None:
        # Keys do not change each few seconds elsewhere: what earlier rounds left is put away.
        await rig.node.keys.advance(time.time() + 2 * 86_400)
        await rig.restart_checkers()
        await rig.warm_up()
        await rig.prepare(rng)

    async def run(self, rig: Rig, rng: Random) -> None:
        ending = asyncio.create_task(rig.end_at_random(rng, BOUND))
        began = boottime()
        rig.proxy.cut()
        await asyncio.sleep(rng.uniform(0, POLL))
        purpose: Purpose = "token" if rng.random() < 0.5 else "status"
        if rng.random() < 0.5:
            await rotate(rig, purpose)
        else:
            await revoke(rig, purpose)
        await asyncio.sleep(rng.uniform(0, BOUND))
        await ending
        await asyncio.gather(*(knows_keys(rig, node) for node in rig.serving))
        await rig.proxy.heal()
        rig.outage(began)
        await rig.give(await rig.open(3))


async def rotate(rig: Rig, purpose: Purpose) -> None:
    """A next key, made two days ago, signs from now on: as the rules have it, everybody could have known it."""
    keys, now = rig.node.keys, time.time()
    await keys.rotate("ES256", now - 2 * 86_400, purpose=purpose)
    await keys.rotate("ES256", now, purpose=purpose)


async def revoke(rig: Rig, purpose: Purpose) -> None:
    """Stop trusting the key that signs now. One for tokens takes along every token that it signed."""
    kid = rig.node.keys.snapshot.signer(purpose, "ES256").kid
    assert kid is not None

    async def commit() -> None:
        assert await rig.node.keys.revoke(kid, time.time())

    await rig.end_by(rig.families if purpose == "token" else [], commit)


async def knows_keys(rig: Rig, node: Child) -> None:
    """Until a node shows the keys of now: it looks for them each few seconds."""
    signers = rig.node.keys.snapshot.signers
    wanted = [(key.kid or "").encode() for (_, alg), key in signers.items() if alg == "ES256"]
    deadline = time.monotonic() + 10
    while True:
        shown = await rig.fetch("/jwks", node)
        if all(kid in shown for kid in wanted):
            return
        assert time.monotonic() < deadline, "the node did not learn its keys"
        await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Many(Fault):
    """Very many sessions are ended by one transaction, with a few that are watched among them."""

    number: int = 10_000

    async def run(self, rig: Rig, rng: Random) -> None:
        user = f"u_{secrets.token_hex(8)}"
        watched = await rig.open(3, user=user)
        await rig.crowd(user, self.number)
        await rig.give(watched)
        await until(rig.settled, 10.0, "that the watched tokens are taken")
        ending = asyncio.create_task(rig.end_at_random(rng, 1.0))
        began = boottime()
        await rig.end(watched, ByUser(user), many=True)
        assert all(rig.facts[one.number].ended for one in watched), "the end of very many failed"
        rig.note("seconds to end all", boottime() - began)
        await ending


# A list that changes in ten thousand places is packed, fetched and hashed by a machine that does all the rest too.
PATIENT: Kinds = {
    "streaming": follows(max_staleness=3 * BOUND),
    "polling": follows(max_staleness=3 * BOUND, stream=False),
    "threadless": follows({"background": False}, max_staleness=3 * BOUND),
}
TERMS_OF_PATIENT = replace(TERMS, bound=3 * BOUND, recover=BOUND + 2 * POLL + 0.35)

FAULTS: tuple[Fault, ...] = (
    Killed("issuer killed", databases=BOTH, seconds=6.0),
    Paused("issuer paused", databases=BOTH),
    TwoNodes("two nodes publish at once", nodes=2, databases=("postgresql",), within=POLLED),
    Rotated("keys rotated or revoked while cut off", seconds=5.0),
    Many("very many ends at once", databases=BOTH, within=POLLED, kinds=PATIENT, terms=TERMS_OF_PATIENT),
)

LARGE = 10.0
MILLION = Many(
    "a million ends at once",
    databases=BOTH,
    number=1_000_000,
    soak=6,
    seconds=80.0,
    alone=True,
    kinds={"streaming": follows(max_staleness=LARGE), "polling": follows(max_staleness=LARGE, stream=False)},
    terms=replace(TERMS, bound=LARGE, recover=LARGE),
)
