"""A step of a sign-in by JSON is taken once, however many bring its handle at once, on however many nodes."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from admit.issuer.grants.flows import SignInFlows, Step
from tests.fixtures.people import INFO, NOW
from tests.fixtures.storage import OpenAgain
from tests.races.conftest import Held

ADVANCE = "admit.issuer.grants.flows:advance"
Rounds = Callable[..., range]


@pytest.mark.threat("INF-race", off=ADVANCE)
@pytest.mark.threat("O-1", off=ADVANCE)
async def test_of_many_who_bring_one_handle_one_takes_the_step(
    open_again: OpenAgain, rounds: Rounds, rng: Random, at_once: int, held: Held
) -> None:
    nodes = [SignInFlows(await open_again()) for _ in range(2)]
    turns = rounds(test=5, soak=200)
    for _ in turns:
        handle, _ = await nodes[0].begin({}, client_id="app", binding=None, info=INFO, now=NOW)
        for _ in range(2):  # what the winner was given is as good, and as good for one
            order = [nodes[n % 2] for n in range(at_once)]
            rng.shuffle(order)
            steps = await asyncio.gather(
                *(
                    node.advance(handle, client_id="app", browser=None, waits=False, now=NOW + 1)
                    for node in order
                )
            )
            (won,) = [step for step in steps if step is not None]
            assert isinstance(won, Step)
            handle = won.handle
    held("step of a sign-in by JSON", "drivers", turns)
