"""Budgets that refill: what is drawn, what comes back, and what nobody can win."""

import asyncio
from random import Random

import pytest
from sqlalchemy import func, select

from admit.issuer.storage import Database, Statement
from admit.issuer.throttle import budgets
from admit.issuer.throttle.budgets import PORTIONS, Budget, SpentError, check, note, peek, share_spent
from admit.issuer.throttle.budgets.store import budget as table
from tests.fixtures.storage import OpenAgain

NOW = 1_800_000_000.0
THREE = Budget("three", 3, 60.0)
COUNT = Statement(select(func.count().label("n")).select_from(table))


async def try_one(db: Database, *asked: Budget, now: float = NOW) -> bool:
    try:
        await db.run(budgets.draw, asked, now=now)
    except SpentError:
        return False
    return True


async def tries(db: Database, count: int, budget: Budget = THREE, now: float = NOW) -> list[bool]:
    return [await try_one(db, budget, now=now) for _ in range(count)]


async def test_all_at_once_and_then_one_after_another(db: Database) -> None:
    assert await tries(db, 5) == [True, True, True, False, False]
    assert await tries(db, 1, now=NOW + 19.9) == [False]
    assert await tries(db, 2, now=NOW + 20) == [True, False]
    assert await tries(db, 3, now=NOW + 61) == [True, True, False], "what came back in 41 s"
    assert await tries(db, 5, now=NOW + 1_000) == [True, True, True, False, False], "never more than all"


async def test_a_refusal_says_when_one_is_back(db: Database) -> None:
    await tries(db, 3)
    with pytest.raises(SpentError) as refused:
        await db.run(budgets.draw, [THREE], now=NOW + 5)
    assert (refused.value.budget, refused.value.retry_after) == ("three", 15)
    assert await tries(db, 1, now=NOW + 5 + refused.value.retry_after) == [True]


async def test_of_several_budgets_all_are_drawn_from_or_none(db: Database) -> None:
    one, many = Budget("a", 1, 60.0), Budget("b", 100, 60.0)
    assert await try_one(db, many, one)
    for _ in range(5):
        assert not await try_one(db, many, one)
    assert share_spent(many, (await peek(db, ["b"]))["b"], now=NOW) == pytest.approx(0.01)


@pytest.mark.threat("PWD-4", off="admit.issuer.throttle.budgets.store:draw")
async def test_parallel_tries_of_two_nodes_never_pass_the_limit_together(open_again: OpenAgain) -> None:
    nodes = [await open_again(), await open_again()]
    both = (Budget("x", 7, 60.0), Budget("wide", 1_000, 60.0))
    allowed = await asyncio.gather(*(try_one(nodes[n % 2], *both) for n in range(60)))
    assert sum(allowed) == 7
    assert share_spent(both[1], (await peek(nodes[0], ["wide"]))["wide"], now=NOW) == pytest.approx(0.007)


async def test_tries_that_share_budgets_crosswise_do_not_lock_each_other_out(open_again: OpenAgain) -> None:
    nodes = [await open_again(), await open_again()]
    a, b = Budget("a", 1_000, 60.0), Budget("b", 1_000, 60.0)

    async def one(number: int) -> bool:
        order = (a, b) if number % 2 else (b, a)
        db = nodes[number // 2 % 2]
        allowed = await try_one(db, *order)
        await db.run(budgets.refund, order[::-1])
        return allowed

    assert all(await asyncio.gather(*map(one, range(60))))
    assert {share_spent(one, (await peek(nodes[0], ["a", "b"]))[one.name], now=NOW) for one in (a, b)} == {
        0.0
    }


async def test_what_is_given_back_is_what_was_drawn_and_no_more(db: Database) -> None:
    for _ in range(10):
        assert await tries(db, 1) == [True]
        await db.run(budgets.refund, [THREE])
    await tries(db, 3)
    await db.run(budgets.refund, [THREE])
    assert await tries(db, 3) == [True, False, False]


async def test_giving_back_what_nobody_drew_opens_nothing(db: Database) -> None:
    for _ in range(5):
        await db.run(budgets.refund, [THREE])
    await db.run(budgets.refund, [])
    assert await tries(db, 4) == [True, True, True, False]


@pytest.mark.threat("6819-4.4.3.6", off="admit.issuer.throttle.budgets.store:refund")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_good_tries_between_bad_ones_win_no_bad_one(db: Database, rng: Random) -> None:
    """Whoever has an account signs in to it between two guesses: what he gets wrong is bounded all the same."""
    budget, now, wrong = Budget("network", 10, 900.0), NOW, 0
    for _ in range(300):
        now += rng.choice((0.0, 0.0, 1.0, 30.0))
        if await try_one(db, budget, now=now):
            if rng.random() < 0.5:
                await db.run(budgets.refund, [budget])
            else:
                wrong += 1
        assert wrong <= 10 + (now - NOW) / 90


async def test_a_dearer_try_takes_more_but_never_more_than_all(db: Database) -> None:
    assert await tries(db, 3, Budget("heavy", 10, 60.0, weight=4.0)) == [True, True, False]
    assert await tries(db, 2, Budget("huge", 3, 60.0, weight=100.0)) == [True, False]
    assert await tries(db, 1, Budget("huge", 3, 60.0, weight=100.0), now=NOW + 60) == [True]


async def test_what_is_only_noted_fills_a_budget_and_owes_nothing(db: Database) -> None:
    for _ in range(10):
        await db.run(note, THREE, now=NOW)
    standing = await peek(db, ["three"])
    assert share_spent(THREE, standing["three"], now=NOW) == 1.0
    assert share_spent(THREE, standing["three"], now=NOW + 60) == 0.0
    assert share_spent(THREE, None, now=NOW) == 0.0


async def test_the_reading_refuses_just_what_the_statement_refuses(db: Database, rng: Random) -> None:
    now = NOW
    for _ in range(60):
        now += rng.choice((-5.0, 0.0, 0.0, 0.0, 7.0, 20.0, 20.0))
        try:
            check([THREE], await peek(db, ["three"]), now=now)
            seen = True
        except SpentError:
            seen = False
        assert await try_one(db, THREE, now=now) is seen


async def test_a_clock_that_steps_back_a_little_opens_nothing(db: Database) -> None:
    await tries(db, 3)
    assert await tries(db, 1, now=NOW - 30) == [False]


async def test_a_budget_from_a_clock_far_ahead_does_not_stay_shut(db: Database) -> None:
    await tries(db, 3, now=NOW + 86_400)
    assert await tries(db, 1) == [True]


async def test_only_what_is_whole_again_is_forgotten(db: Database) -> None:
    await tries(db, 3)
    await try_one(db, Budget("young", 3, 60.0), now=NOW + 50)
    await PORTIONS.delete_all(db, before=NOW + 59)
    assert (await db.read(COUNT()))[0]["n"] == 2
    assert await tries(db, 4, now=NOW + 19) == [False] * 4
    await PORTIONS.delete_all(db, before=NOW + 60)
    assert [row["n"] for row in await db.read(COUNT())] == [1]
    await PORTIONS.delete_all(db, before=NOW + 71)
    assert [row["n"] for row in await db.read(COUNT())] == [0]


@pytest.mark.parametrize(("limit", "span", "weight"), [(0, 60.0, 1.0), (1, 0.0, 1.0), (1, 60.0, 0.0)])
def test_a_budget_without_a_bound_is_refused(limit: int, span: float, weight: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Budget("b", limit, span, weight)
