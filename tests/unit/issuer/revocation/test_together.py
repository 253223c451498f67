"""One run for all who ask at the same time, and each sees a run that began after the asking."""

import asyncio

import pytest

from admit.issuer.revocation.together import Together

pytestmark = pytest.mark.anyio


class Work:
    """Counts runs; each waits until it is let go."""

    def __init__(self) -> None:
        self.began = 0
        self.under_way = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.began += 1
        number = self.began
        self.under_way += 1
        assert self.under_way == 1
        await self.gate.wait()
        self.under_way -= 1
        return number


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_ask_during_a_run_share_the_next_and_not_that_one() -> None:
    work = Work()
    ask = Together(work)
    first = asyncio.ensure_future(ask())
    await settle()
    later = [asyncio.ensure_future(ask()) for _ in range(50)]
    await settle()
    work.gate.set()
    assert await first == 1
    assert set(await asyncio.gather(*later)) == {2}
    assert work.began == 2


async def test_those_who_ask_before_a_run_began_share_it() -> None:
    work = Work()
    work.gate.set()
    ask = Together(work)
    assert set(await asyncio.gather(*(ask() for _ in range(50)))) == {1}
    assert await ask() == 2


async def test_a_run_that_fails_fails_for_those_who_shared_it_and_the_next_is_tried() -> None:
    outcomes = [ZeroDivisionError(), 7]

    async def work() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    ask = Together(work)
    failed = await asyncio.gather(ask(), ask(), return_exceptions=True)
    assert [type(outcome) for outcome in failed] == [ZeroDivisionError] * 2
    assert await ask() == 7


async def test_a_caller_that_is_cancelled_disturbs_nobody() -> None:
    work = Work()
    ask = Together(work)
    gone, stays = asyncio.ensure_future(ask()), asyncio.ensure_future(ask())
    await settle()
    gone.cancel()
    await settle()
    work.gate.set()
    assert await stays == 1
    assert gone.cancelled()


def test_another_event_loop_has_runs_of_its_own() -> None:
    async def work() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    ask = Together(work)

    async def both() -> bool:
        return set(await asyncio.gather(ask(), ask())) == {asyncio.get_running_loop()}

    assert asyncio.run(both())
    assert asyncio.run(both())


def test_a_run_that_was_left_in_a_loop_that_ended_holds_nobody_up() -> None:
    never = True

    async def work() -> int:
        if never:
            await asyncio.get_running_loop().create_future()
        return 1

    ask = Together(work)

    async def leave() -> None:
        left = [asyncio.ensure_future(ask())]
        await settle()
        left.append(asyncio.ensure_future(ask()))
        await settle()
        assert not any(caller.done() for caller in left)

    asyncio.run(leave())
    never = False
    assert asyncio.run(asyncio.wait_for(ask(), 5)) == 1
