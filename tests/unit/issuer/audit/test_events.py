"""What happened is told to the application: after COMMIT, at least once, under the id of its record."""

import asyncio
import logging

import pytest

from admit.issuer.audit import AuditEvent, record
from admit.issuer.audit.events import Event, Events, driver, rules
from admit.issuer.storage import Bound, Database, Steps, bound_once

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000.0


class Sink:
    """Takes events, unless it is to fail."""

    def __init__(self) -> None:
        self.taken: list[Event] = []
        self.failing: set[str] = set()

    async def __call__(self, event: Event) -> None:
        if event.type in self.failing:
            raise RuntimeError("a secret of the application")
        self.taken.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.taken]


class Teller:
    """Events on a database, with a clock of its own."""

    def __init__(self, db: Database) -> None:
        self.now = NOW
        self.sink = Sink()
        self.events = Events(db, self.sink, clock=lambda: self.now)


def said(event: AuditEvent, at: float, **more: str) -> Bound:
    return record(event, now=at, user_id="u_1", detail=dict(more))


async def test_each_event_is_told_once_in_order_with_its_records_id_and_chatter_is_not(db: Database) -> None:
    one = Teller(db)
    assert await one.events.turn() == 0
    one.now += 5
    first = said(AuditEvent.LOGIN_SUCCEEDED, NOW + 2, acr="x")
    for bound in (said(AuditEvent.SESSION_ENDED, NOW + 3), first, said(AuditEvent.TOKEN_REFRESHED, NOW + 4)):
        await db.run(bound_once, bound)
    assert await one.events.turn() == 2
    assert one.sink.types == ["login.succeeded", "session.ended"]
    told = one.sink.taken[0]
    assert (told.id, told.subject, told.at, dict(told.detail)) == (
        first.params["id"],
        "u_1",
        NOW + 2,
        {"acr": "x"},
    )
    assert await one.events.turn() == 0
    await db.run(bound_once, said(AuditEvent.LOGOUT, NOW + 1))  # its transaction took longer
    assert await one.events.turn() == 1


async def test_what_is_rolled_back_is_never_told(db: Database) -> None:
    one = Teller(db)
    await one.events.turn()

    def job() -> Steps[None]:
        yield said(AuditEvent.LOGOUT, NOW + 1)
        raise ValueError

    with pytest.raises(ValueError):
        await db.run(job)
    one.now += 2
    assert await one.events.turn() == 0


async def test_what_is_not_taken_comes_again_and_holds_up_nothing_else(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    one = Teller(db)
    await one.events.turn()
    one.sink.failing = {"login.failed"}
    await db.run(bound_once, said(AuditEvent.LOGIN_FAILED, NOW + 1))
    await db.run(bound_once, said(AuditEvent.LOGOUT, NOW + 2))
    with caplog.at_level(logging.WARNING, "admit.issuer.events"):
        one.now += 3
        assert await one.events.turn() == 1
    assert "a secret" not in caplog.text
    one.now += 5 * rules.WINDOW
    assert await one.events.turn() == 0
    one.sink.failing = set()
    one.now += 61
    assert await one.events.turn() == 1
    assert one.sink.types == ["logout", "login.failed"]


async def test_an_event_that_nobody_takes_for_a_day_is_given_up(db: Database) -> None:
    one = Teller(db)
    await one.events.turn()
    one.sink.failing = {"login.failed"}
    await db.run(bound_once, said(AuditEvent.LOGIN_FAILED, NOW + 1))
    one.now += rules.GIVEN_UP_AFTER + 2
    await one.events.turn()
    one.sink.failing = set()
    one.now += 61
    assert await one.events.turn() == 0


async def test_one_node_tells_and_another_goes_on_when_it_is_gone(db: Database) -> None:
    one, other = Teller(db), Teller(db)
    await one.events.turn()
    await db.run(bound_once, said(AuditEvent.LOGOUT, NOW + 1))
    one.now = other.now = NOW + 2
    counts = await asyncio.gather(other.events.turn(), one.events.turn())
    assert counts == [0, 1]
    await db.run(bound_once, said(AuditEvent.LOGOUT, NOW + 3))
    other.now = NOW + 100
    assert await other.events.turn() == 1
    one.now = NOW + 101
    assert await one.events.turn() == 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time for the application, so that none of it is waited for."""
    monkeypatch.setattr(driver, "WITHIN", 0.02)
    monkeypatch.setattr(driver, "TURN", 0.06)


class Hanging(Sink):
    """Takes other events at once, and those of one type never."""

    async def __call__(self, event: Event) -> None:
        if event.type in self.failing:
            await asyncio.Event().wait()
        await super().__call__(event)


@pytest.mark.usefixtures("quick")
async def test_some_that_hang_hold_up_the_others_for_one_turn(db: Database) -> None:
    one = Teller(db)
    one.sink = Hanging()
    one.events = Events(db, one.sink, clock=lambda: one.now)
    await one.events.turn()
    one.sink.failing = {"login.failed"}
    for n in range(3):
        await db.run(bound_once, said(AuditEvent.LOGIN_FAILED, NOW + 1 + n / 10))
    for n in range(5):
        await db.run(bound_once, said(AuditEvent.LOGOUT, NOW + 2 + n / 10))
    for _ in range(6):
        one.now += 5
        await one.events.turn()
    assert one.sink.types == ["logout"] * 5


async def test_many_that_fail_hold_up_the_others_for_one_turn_and_are_tried_ever_more_seldom(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "MOST_FAILED", 5)
    monkeypatch.setattr(driver, "AT_ONCE", 2)
    one = Teller(db)
    tries: list[str] = []
    take = Sink.__call__

    async def counted(self: Sink, event: Event) -> None:
        tries.append(event.id)
        await take(self, event)

    monkeypatch.setattr(Sink, "__call__", counted)
    await one.events.turn()
    one.sink.failing = {"login.failed"}
    bad = [
        said(AuditEvent.LOGIN_FAILED, NOW + 1) for _ in range(7)
    ]  # of one moment, so that pages end within it
    for bound in (*bad, *(said(AuditEvent.LOGOUT, NOW + 2) for _ in range(3))):
        await db.run(bound_once, bound)
    one.now += 3
    assert await one.events.turn() == 0
    one.now += 1
    assert await one.events.turn() == 3
    assert sorted(tries[:7]) == sorted(bound.params["id"] for bound in bad)
    for _ in range(60):
        one.now += 60
        await one.events.turn()
    assert 6 < tries.count(bad[0].params["id"]) < 15  # in an hour: ever later, then once in a quarter of one
    one.sink.failing = set()
    for _ in range(20):
        one.now += 60
        await one.events.turn()
    assert len(one.sink.taken) == 10
    assert len({event.id for event in one.sink.taken}) == 10


async def test_what_is_given_up_gives_up_nothing_younger(db: Database) -> None:
    one = Teller(db)
    await one.events.turn()
    one.sink.failing = {"login.failed"}
    await db.run(bound_once, said(AuditEvent.LOGIN_FAILED, NOW + 1))
    one.now += 2
    await one.events.turn()
    one.now = NOW + rules.GIVEN_UP_AFTER / 2
    await db.run(bound_once, said(AuditEvent.LOGIN_FAILED, one.now - 1))
    await one.events.turn()
    one.now = NOW + rules.GIVEN_UP_AFTER + 100
    await one.events.turn()
    one.sink.failing = set()
    one.now += 1_000
    assert await one.events.turn() == 1
