"""What every fault is: a name, the terms it is judged by, and where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.plugins.rounds import TIER
from tests.system.faults.journal import Terms

BOUND, POLL = (3.0, 0.5) if TIER == "soak" else (1.4, 0.35)
"""In a soak the two are to one another as the defaults are (30 s, 5 s)."""
EVERY = 0.03 if TIER == "soak" else 0.005
"""Seconds between two accesses by one token at one verifier. In a soak many rigs share the machine."""
TERMS = Terms(bound=BOUND, poll=POLL, round=0.35, recover=max(0.5, BOUND / 3) + 2 * POLL + 0.35)

Kinds = Mapping[str, Mapping[str, Any]]
"""Verifiers by name: `revocation` are the arguments of `Revocation` (seconds), `more` those of `Verifier`."""


def follows(more: Mapping[str, Any] | None = None, **revocation: Any) -> Mapping[str, Any]:
    """A verifier with a short bound."""
    return {"revocation": {"max_staleness": BOUND, "poll": POLL, **revocation}, "more": more or {}}


KINDS: Kinds = {
    "streaming": follows(),
    "polling": follows(stream=False),
    "threadless": follows({"background": False}),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`name` is its row in the summary. `nodes` are as many issuer nodes as it wants behind the proxy.

    `within`: after an acknowledged end no access may be let in later than this, where that is less than the bound
    (polls get through). `databases` are those that it makes a difference on. `soak` is the number of rounds of a soak,
    shared by the databases; a round takes about so many `seconds`. `alone`: only once all others are done.
    """

    name: str
    terms: Terms = TERMS
    within: float | None = None
    databases: tuple[str, ...] = ("sqlite",)
    nodes: int = 1
    kinds: Kinds = field(default_factory=lambda: KINDS)
    every: float = EVERY
    soak: int = 200
    seconds: float = 3.5
    alone: bool = False

    async def prepare(self, rig: Any, rng: Random) -> None:
        """Open the round's families; every verifier takes their tokens when it returns."""
        await rig.prepare(rng)

    async def run(self, rig: Any, rng: Random) -> None:
        """Break, end sessions meanwhile, heal. Note when no proof could be had by `rig.outage`."""
        raise AssertionError("a fault says what it does")
