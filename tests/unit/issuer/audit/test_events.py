"""What happened is told to the application: after COMMIT, at least once, under the id of its record."""

import asyncio
import logging

import pytest

from admit.issuer.audit import AuditEvent, record
from admit.issuer.audit.events import Event, Events, rules
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
