"""Connections that go from hand to hand: to one at a time, to whoever waits first, and never a doubtful one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from admit.issuer.storage import lending as module
from admit.issuer.storage.lending import Lending, Lent
from admit.issuer.storage.publishing import Connection
from tests.plugins.patience import patience, until

pytestmark = pytest.mark.anyio

BACKEND = "SELECT pg_backend_pid()"


@contextlib.asynccontextmanager
async def lending_of(url: str, size: int) -> AsyncIterator[Lending]:
    async with asyncpg.create_pool(url, min_size=1, max_size=size, connection_class=Connection) as pool:
        lending = Lending(pool, patience())
        yield lending
        await lending.close()


async def used(lending: Lending) -> tuple[Lent, int]:
    """One that is out, and which backend serves it."""
    lent = await lending.take()
    return lent, await lent.connection.fetchval(BACKEND)


async def test_what_is_kept_is_taken_next_and_by_one_only(postgresql_url: str) -> None:
    async with lending_of(postgresql_url, 2) as lending:
        lent, first = await used(lending)
        assert lending.at_once() is None
        assert lending.keep(lent)
        assert lending.idle == 1
        again = lending.at_once()
        assert again is lent
        other, second = await used(lending)
        assert second != first
        assert lending.keep(lent)
        assert lending.keep(other)


@pytest.mark.parametrize("kept", [True, False])
async def test_who_waits_gets_the_next_one(postgresql_url: str, kept: bool) -> None:
    async with lending_of(postgresql_url, 1) as lending:
        lent, first = await used(lending)
        waiting = asyncio.create_task(used(lending))
        await asyncio.sleep(0)
        if kept:
            assert lending.keep(lent)
            assert lending.idle == 0
        else:
            lent.connection.terminate()
            await lending.give_back(lent)
        other, second = await waiting
        assert (second == first) is kept
        assert lending.keep(other)


async def test_who_gives_up_waiting_takes_none_along(postgresql_url: str) -> None:
    async with lending_of(postgresql_url, 1) as lending:
        lent, first = await used(lending)
        gone, waiting = (asyncio.create_task(used(lending)) for _ in range(2))
        await asyncio.sleep(0)
        assert lending.keep(lent)  # it is handed to the first, who is called off before he can take it
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        other, second = await waiting
        assert second == first
        assert lending.keep(other)


async def test_nobody_waits_for_longer_than_was_said(postgresql_url: str) -> None:
    async with asyncpg.create_pool(
        postgresql_url, min_size=1, max_size=1, connection_class=Connection
    ) as pool:
        lending = Lending(pool, 0.01)
        lent = await lending.take()
        with pytest.raises(TimeoutError):
            await lending.take()
        assert lending.keep(lent)
        assert await lending.take() is lent
        assert lending.keep(lent)
        await lending.close()


async def test_none_is_kept_that_was_out_when_others_were_found_dead(postgresql_url: str) -> None:
    async with lending_of(postgresql_url, 2) as lending:
        here, out = await lending.take(), await lending.take()
        assert lending.keep(here)
        await asyncio.sleep(0.01)  # the loop's clock goes on
        await lending.settle()
        assert lending.idle == 0
        assert not here.is_open
        assert not lending.keep(out)
        await lending.give_back(out)


async def test_one_that_was_lost_while_nobody_used_it_is_not_lent(postgresql_url: str) -> None:
    async with lending_of(postgresql_url, 2) as lending:
        lent, first = await used(lending)
        assert lending.keep(lent)
        lent.connection.terminate()
        other, second = await used(lending)
        assert second != first
        assert lending.keep(other)


@pytest.mark.parametrize("left_open", [True, False])
async def test_one_with_an_open_transaction_is_not_kept(postgresql_url: str, left_open: bool) -> None:
    async with lending_of(postgresql_url, 1) as lending:
        lent = await lending.take()
        await lent.connection.execute("BEGIN")
        if not left_open:
            await lent.connection.execute("ROLLBACK")
        assert lending.keep(lent) is not left_open
        if left_open:
            await lending.give_back(lent)


async def test_after_a_while_the_pool_has_them_back(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lending_of(postgresql_url, 2) as lending:
        here, out = await lending.take(), await lending.take()
        monkeypatch.setattr(module, "HELD_FOR", 0.0)
        await asyncio.sleep(0.01)
        assert not lending.keep(here)
        await lending.give_back(here)
        monkeypatch.setattr(module, "HELD_FOR", 0.05)
        fresh = await lending.take()
        assert lending.keep(fresh)
        await until(lambda: not lending.idle and not fresh.is_open)
        await lending.give_back(out)


async def test_nothing_is_kept_once_it_is_closed(postgresql_url: str) -> None:
    async with lending_of(postgresql_url, 1) as lending:
        lent = await lending.take()
        await lending.close()
        assert not lending.keep(lent)
        await lending.give_back(lent)
