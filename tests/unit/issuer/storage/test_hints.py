"""Hearing that somebody published."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from admit.issuer.revocation.store.lists import INSERT_CHANGE
from admit.issuer.storage import PUBLISH, Database, Steps, listening
from tests.fixtures.postgres import PostgresServer
from tests.plugins.patience import patience

pytestmark = pytest.mark.anyio
OpenAgain = Callable[[], Awaitable[Database]]


def publish(position: int = 1) -> Steps[None]:
    yield INSERT_CHANGE(number=0, at_position=position)
    yield PUBLISH


def keep_quiet() -> Steps[None]:
    yield INSERT_CHANGE(number=0, at_position=1)


class Ear:
    """Waits for hints."""

    def __init__(self, db: Database) -> None:
        self.heard = asyncio.Event()
        self.deaf = db.on_publish(self.heard.set)

    async def hears(self, within: float | None = None) -> bool:
        try:
            async with asyncio.timeout(patience() if within is None else within):
                await self.heard.wait()
        except TimeoutError:
            return False
        self.heard.clear()
        return True


async def test_a_transaction_that_published_is_heard_in_its_own_process(db: Database) -> None:
    ear = Ear(db)
    await ear.hears(0.3)  # PostgreSQL hints once when it begins to listen
    await db.run(publish)
    assert await ear.hears()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_transaction_that_published_nothing_is_not_heard_on_postgresql(db: Database) -> None:
    ear = Ear(db)
    assert await ear.hears()
    await db.run(keep_quiet)
    assert not await ear.hears(0.1)


async def test_who_does_not_want_to_hear_any_more_does_not(db: Database) -> None:
    ear, other = Ear(db), Ear(db)
    await other.hears(0.3)
    ear.deaf()
    ear.heard.clear()
    await db.run(publish)
    assert await other.hears()
    assert not ear.heard.is_set()


async def test_what_another_process_published_is_heard(db: Database, open_again: OpenAgain) -> None:
    ear = Ear(db)
    await ear.hears(0.3)
    other = await open_again()
    await other.run(publish)
    assert await ear.hears()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_listening_begins_again_after_the_connection_was_cut(
    db: Database, postgres_server: PostgresServer
) -> None:
    ear = Ear(db)
    assert await ear.hears()
    await asyncio.to_thread(
        postgres_server.execute,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'admit listens'",
    )
    assert await ear.hears()  # said when it listens again: what came meanwhile is unknown
    await db.run(publish)
    assert await ear.hears()


async def test_a_database_that_is_closed_can_be_opened_and_heard_again(db: Database) -> None:
    Ear(db)
    await db.close()
    await db.open()
    ear = Ear(db)
    await ear.hears(0.3)
    await db.run(publish)
    assert await ear.hears()


async def test_a_server_that_stays_away_is_asked_ever_more_seldom_and_never_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    enough = asyncio.Event()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 60:
            enough.set()
            await asyncio.Event().wait()

    async def refused() -> Any:
        raise ConnectionRefusedError if len(waits) % 2 else RuntimeError("of another kind")

    monkeypatch.setattr(listening, "_wait", wait)
    made = listening.Listening(refused, lambda: None)
    await enough.wait()
    await made.stop()
    assert 0.1 <= waits[0] <= 0.2
    assert all(listening.LONGEST_PAUSE / 2 <= pause <= listening.LONGEST_PAUSE for pause in waits[7:])
    assert len(set(waits)) > 50, "nodes do not come together"
