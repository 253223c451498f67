"""A code is good once, however many ask at once, on however many nodes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from admit.issuer.factors.driver import Factors
from admit.issuer.factors.records import Proved, Refusal, Refused
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.second_factor import Phone, add_app
from tests.fixtures.storage import OpenAgain
from tests.races.conftest import Held

BROWSER = b"b" * 32
Rounds = Callable[..., range]


@dataclass
class Nodes:
    """Two nodes of one deployment, and somebody with an app."""

    parts: Parts
    factors: tuple[Factors, Factors]
    phone: Phone

    async def begin(self, now: float) -> str:
        return await self.factors[0].begin_sign_in(self.phone.user, binding=BROWSER, enrol=False, now=now)

    async def show(self, handles: list[str], typed: str, now: float) -> list[Proved | Refused]:
        return await asyncio.gather(
            *(
                self.factors[n % 2].prove(handle, BROWSER, typed, info=INFO, now=now)
                for n, handle in enumerate(handles)
            )
        )


@pytest.fixture
async def nodes(open_again: OpenAgain) -> Nodes:
    here, there = [await Parts.on(await open_again()) for _ in range(2)]
    factors = Factors(here.db, here.lists), Factors(there.db, there.lists)
    return Nodes(here, factors, await add_app(factors[0], await here.user(), NOW - 120))


def tally(outcomes: list[Proved | Refused]) -> Counter[str]:
    return Counter("proved" if isinstance(one, Proved) else one.reason.value for one in outcomes)


@pytest.mark.threat("MFA-2", off="admit.issuer.factors.transactions:spend_step")
@pytest.mark.threat("INF-race", off="admit.issuer.factors.transactions:spend_step")
async def test_of_many_uses_of_one_code_in_sign_ins_of_their_own_one_wins(
    nodes: Nodes, rounds: Rounds, at_once: int, held: Held
) -> None:
    now = NOW
    turns = rounds(test=5, soak=200)
    for _ in turns:
        now += 3_700  # another hour's budget
        handles = [await nodes.begin(now) for _ in range(at_once)]
        told = tally(await nodes.show(handles, nodes.phone.code(now), now))
        assert told["proved"] == 1, told
        assert set(told) <= {"proved", Refusal.SPENT.value, Refusal.TOO_MANY.value}
    held("code of an app", "drivers", turns)


@pytest.mark.threat("MFA-4", off="admit.issuer.factors.transactions:spend_recovery_code")
async def test_of_many_uses_of_one_recovery_code_one_wins(
    nodes: Nodes, rounds: Rounds, at_once: int, held: Held
) -> None:
    now = NOW
    turns = rounds(test=5, soak=200)
    codes = list(nodes.phone.recovery_codes)
    for _ in turns:
        now += 3_700
        if not codes:
            renewed = await nodes.factors[1].renew_codes(nodes.phone.user, info=INFO, now=now)
            assert renewed is not None
            codes = list(renewed)
        handles = [await nodes.begin(now) for _ in range(at_once)]
        told = tally(await nodes.show(handles, codes.pop(), now))
        assert told["proved"] == 1, told
    held("recovery code", "drivers", turns)


@pytest.mark.threat("MFA-1", off="admit.issuer.factors.transactions:count_try")
async def test_of_a_hundred_guesses_at_once_five_are_looked_at(nodes: Nodes, rng: Random) -> None:
    good = {nodes.phone.code(NOW + 30 * away) for away in (-1, 0, 1)}
    wrong = next(code for n in range(4) if (code := f"{n:06}") not in good)
    handle = await nodes.begin(NOW)
    told = tally(await nodes.show([handle] * 100, wrong, NOW))
    assert told == {Refusal.WRONG.value: 5, Refusal.OVER.value: 95}


async def test_one_sign_in_is_finished_once(nodes: Nodes, rounds: Rounds, at_once: int, held: Held) -> None:
    now = NOW
    turns = rounds(test=5, soak=200)
    for _ in turns:
        now += 3_700
        handle = await nodes.begin(now)
        told = tally(await nodes.show([handle] * at_once, nodes.phone.code(now), now))
        assert told["proved"] == 1, told
    held("sign-in that waits for a code", "drivers", turns)


async def test_first_apps_that_two_browsers_add_at_once_are_one(nodes: Nodes, rounds: Rounds) -> None:
    for _ in rounds(test=5, soak=50):
        user = await nodes.parts.user()
        outcomes = await asyncio.gather(
            *(add_app(nodes.factors[n], user, NOW, session_id=f"s_{n}") for n in range(2)),
            return_exceptions=True,
        )
        added = [one for one in outcomes if isinstance(one, Phone)]
        assert len(added) == 1, outcomes
        assert len(added[0].recovery_codes) == 10
        assert (await nodes.factors[0].view(user.id)).codes_left == 10
