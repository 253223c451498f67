"""Mails in the database: sealed, bounded, taken out by one worker each, sent at least once or given up and told."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from admit.issuer.outbox import (
    KINDS,
    NO_MAIL,
    Courier,
    Mail,
    MailConfig,
    MailError,
    MailRefusedError,
    MailUnavailableError,
    Outbox,
    Posted,
    Waiting,
    store,
)
from admit.issuer.outbox.posting import forget_old
from admit.issuer.storage import Database, Keyring, Statement, Steps, metadata
from tests.fixtures.issuer import Clock
from tests.fixtures.people import NOW
from tests.fixtures.storage import OpenAgain

pytestmark = pytest.mark.anyio
# What is decided before any SQL, or by SQL that both read alike: once is enough.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CONFIG = MailConfig(url="console:", sender="Admit <no-reply@id.example>")
LINK = "https://id.example/reset?t=a-canary-that-nobody-may-read"
MAIL = Mail(kind="reset_password", user_id="u_ada", to="ada@example.com", locale="en", data={"link": LINK})
NOTICE = Mail(kind="password_changed", user_id="u_ada", to="ada@example.com")


@pytest.fixture
def outbox(keyring: Keyring) -> Outbox:
    return Outbox(CONFIG, keyring)


async def rows(db: Database, table: str = "outbox") -> list[Any]:
    return list(await db.read(Statement(select(metadata.tables[table]))()))


async def post(db: Database, outbox: Outbox, mail: Mail = MAIL, *, now: float = NOW) -> Posted:
    return await db.run(outbox.post, mail, now=now)


class Wire:
    """Stands where a mail leaves: counts, and fails as told. What SMTP itself does is tested with a server."""

    def __init__(self, *answers: Exception | None) -> None:
        self.sent: list[str] = []
        self.answers = list(answers)
        self.before: Callable[[], Awaitable[None]] | None = None

    async def send(self, message: EmailMessage) -> None:
        if self.before is not None:
            await self.before()
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.sent.append(str(message["Message-ID"]))


async def plainly(waiting: Waiting) -> EmailMessage:
    message = EmailMessage()
    message["To"] = waiting.mail.to
    message["Message-ID"] = f"<{waiting.id}@id.example>"
    message.set_content(json.dumps(dict(waiting.mail.data)))
    return message


def courier(db: Database, outbox: Outbox, wire: Wire, clock: Clock) -> Courier:
    return Courier(db, outbox, wire, plainly, clock=clock, share=lambda: 0.0)


async def test_a_posted_mail_is_sent_once_and_forgotten(db: Database, outbox: Outbox) -> None:
    assert await post(db, outbox) is Posted.QUEUED
    wire = Wire()
    work = courier(db, outbox, wire, Clock(NOW))
    assert await work.turn() == 1
    assert len(wire.sent) == 1
    assert await rows(db) == []
    assert await work.turn() == 0


@on_one_database
@pytest.mark.threat("O-2", off="admit.issuer.outbox.posting:Outbox.seal")
async def test_what_a_waiting_mail_says_and_to_whom_is_not_readable_in_the_database(
    db: Database, outbox: Outbox
) -> None:
    await post(db, outbox)
    (row,) = await rows(db)
    seen = repr([row[column.name] for column in store.outbox.c]).encode() + bytes(row["sealed"])
    assert b"canary" not in seen
    assert b"ada@example.com" not in seen
    assert outbox.open(row).mail == MAIL


@on_one_database
async def test_without_a_sender_nothing_is_kept_and_the_answer_says_so(
    db: Database, keyring: Keyring
) -> None:
    assert await post(db, NO_MAIL) is Posted.OFF
    assert await post(db, Outbox(MailConfig(), keyring)) is Posted.OFF
    assert await rows(db) == []


@on_one_database
async def test_what_causes_a_mail_takes_it_back_with_itself(db: Database, outbox: Outbox) -> None:
    def fails() -> Steps[None]:
        yield from outbox.post(MAIL, now=NOW)
        raise MailError("the cause failed")

    with pytest.raises(MailError):
        await db.run(fails)
    assert await rows(db) == []
    assert await rows(db, "throttle") == []


@on_one_database
@pytest.mark.threat("PWD-8", off="admit.issuer.outbox.rules:address")
@pytest.mark.parametrize(
    "to", ["a@example.com,m@example.com", "a@example.com\r\nBcc: m@example.com", ""], ids=range(3)
)
async def test_what_is_not_one_address_gets_nothing(db: Database, outbox: Outbox, to: str) -> None:
    assert await post(db, outbox, replace(MAIL, to=to)) is Posted.UNDELIVERABLE
    assert await rows(db) == []


@on_one_database
async def test_a_kind_without_its_data_is_a_mistake_of_the_caller(db: Database, outbox: Outbox) -> None:
    with pytest.raises(MailError):
        await post(db, outbox, replace(MAIL, kind="verify_email", data={}))
    with pytest.raises(MailError):  # where mail is off too: tests without mail find it
        await post(db, NO_MAIL, replace(MAIL, kind="verify_email", data={}))


async def test_one_address_gets_so_many_of_a_kind_in_its_window_whatever_its_case(
    db: Database, outbox: Outbox
) -> None:
    limit = KINDS["reset_password"].limit
    for n in range(limit):
        assert (
            await post(db, outbox, replace(MAIL, to="Ada@Example.com" if n % 2 else MAIL.to)) is Posted.QUEUED
        )
    assert await post(db, outbox) is Posted.TOO_MANY
    assert len(await rows(db)) == limit
    assert await post(db, outbox, NOTICE) is Posted.QUEUED
    assert await post(db, outbox, replace(MAIL, to="bo@example.com")) is Posted.QUEUED
    later = NOW + KINDS["reset_password"].window.total_seconds() + 1
    assert await post(db, outbox, now=later) is Posted.QUEUED


@on_one_database
async def test_no_more_mails_wait_than_may(db: Database, keyring: Keyring) -> None:
    small = Outbox(replace(CONFIG, most_waiting=2), keyring)
    posted = [await post(db, small, replace(NOTICE, to=f"{n}@example.com")) for n in range(3)]
    assert posted == [Posted.QUEUED, Posted.QUEUED, Posted.FULL]


@pytest.mark.threat("INF-size", off="admit.issuer.outbox.posting:room_for")
@on_one_database
async def test_mails_that_strangers_ask_for_leave_room_for_notices(db: Database, keyring: Keyring) -> None:
    small = Outbox(replace(CONFIG, most_waiting=4), keyring)
    asked = [await post(db, small, replace(MAIL, to=f"{n}@example.com")) for n in range(3)]
    assert asked == [Posted.QUEUED, Posted.QUEUED, Posted.FULL]
    noticed = [await post(db, small, replace(NOTICE, to=f"{n}@example.com")) for n in range(3)]
    assert noticed == [Posted.QUEUED, Posted.QUEUED, Posted.FULL]


@on_one_database
async def test_a_mail_that_is_not_taken_comes_again_after_growing_pauses(
    db: Database, outbox: Outbox
) -> None:
    await post(db, outbox)
    clock, wire = Clock(NOW), Wire(MailUnavailableError(), TimeoutError(), RuntimeError("a fault"), None)
    work = courier(db, outbox, wire, clock)
    pauses = []
    for _ in range(3):
        assert await work.turn() == 1
        pauses.append((await rows(db))[0]["due_at"] - clock.now)
        assert await work.turn() == 0
        clock.advance(pauses[-1])
    assert pauses == [10, 40, 160]
    assert await work.turn() == 1
    assert len(wire.sent) == 1
    assert await rows(db) == []
    assert await rows(db, "audit") == []


@on_one_database
@pytest.mark.parametrize(("life", "tried"), [(60.0, 3), (5.0, 1)], ids=["a-minute", "seconds"])
async def test_after_its_time_a_mail_is_given_up_with_one_audit_record(
    db: Database, keyring: Keyring, life: float, tried: int
) -> None:
    outbox = Outbox(replace(CONFIG, give_up_after=timedelta(seconds=life)), keyring)
    await post(db, outbox)
    clock, wire = Clock(NOW), Wire(*(MailUnavailableError() for _ in range(9)))
    work = courier(db, outbox, wire, clock)
    while await rows(db):
        await work.turn()
        clock.advance(1)
    assert 9 - len(wire.answers) <= tried
    (told,) = await rows(db, "audit")
    assert (told["event"], told["outcome"], told["user_id"]) == ("mail.failed", "refused", "u_ada")
    assert json.loads(told["detail"])["reason"] == "not sent in time"
    assert "ada@" not in told["detail"]


@on_one_database
async def test_a_mail_that_is_refused_for_good_is_given_up_at_once(db: Database, outbox: Outbox) -> None:
    await post(db, outbox)
    await courier(db, outbox, Wire(MailRefusedError()), Clock(NOW)).turn()
    assert await rows(db) == []
    assert json.loads((await rows(db, "audit"))[0]["detail"])["reason"] == "refused"


@on_one_database
async def test_a_mail_whose_key_is_gone_is_given_up_and_told(db: Database) -> None:
    await post(db, Outbox(CONFIG, Keyring.generate()))
    await courier(db, Outbox(CONFIG, Keyring.generate()), Wire(), Clock(NOW)).turn()
    assert json.loads((await rows(db, "audit"))[0]["detail"])["reason"] == "unreadable"


@on_one_database
async def test_a_kind_that_only_a_newer_node_knows_waits_for_that_node(db: Database, outbox: Outbox) -> None:
    await post(db, outbox)

    async def unknown(waiting: Waiting) -> EmailMessage:
        raise KeyError(waiting.mail.kind)

    clock = Clock(NOW)
    await Courier(db, outbox, Wire(), unknown, clock=clock).turn()
    assert len(await rows(db)) == 1
    clock.advance(60)
    wire = Wire()
    await courier(db, outbox, wire, clock).turn()
    assert len(wire.sent) == 1


async def test_what_a_dead_worker_had_taken_out_is_sent_by_another_under_the_same_id(
    db: Database, outbox: Outbox, open_again: OpenAgain
) -> None:
    await post(db, outbox)
    clock, dying, sound = Clock(NOW), Wire(), Wire()

    async def die() -> None:
        raise asyncio.CancelledError

    dying.before = die
    with pytest.raises(asyncio.CancelledError):
        await courier(db, outbox, dying, clock).turn()
    other = courier(await open_again(), outbox, sound, clock)
    assert await other.turn() == 0, "its lease holds"
    (row,) = await rows(db)
    clock.advance(CONFIG.lease.total_seconds() + 1)
    assert await other.turn() == 1
    assert sound.sent == [f"<{row['id']}@id.example>"]
    assert await rows(db) == []


async def test_a_worker_that_comes_too_late_changes_nothing_for_the_one_that_took_over(
    db: Database, outbox: Outbox
) -> None:
    await post(db, outbox)
    clock = Clock(NOW)
    slow, sound = Wire(MailUnavailableError()), Wire()

    async def outlast() -> None:
        clock.advance(CONFIG.lease.total_seconds() + 1)
        assert await courier(db, outbox, sound, clock).turn() == 1

    slow.before = outlast
    await courier(db, outbox, slow, clock).turn()
    assert len(sound.sent) == 1
    assert await rows(db) == []
    assert await rows(db, "audit") == []


@pytest.mark.threat("INF-race", off="admit.issuer.outbox.driver:Courier._claim")
async def test_of_several_workers_each_mail_has_one(
    db: Database, outbox: Outbox, open_again: OpenAgain, rng: Random, rounds: Callable[..., range]
) -> None:
    other, clock = await open_again(), Clock(NOW)
    for _ in rounds(test=2, soak=100):
        clock.advance(7_200)
        count = 30
        for n in range(count):
            await post(db, outbox, replace(NOTICE, to=f"{n}@example.com"), now=clock.now)
        wire = Wire()
        workers = [courier((db, other)[n % 2], outbox, wire, clock) for n in range(8)]
        rng.shuffle(workers)
        await asyncio.gather(*(work.turn() for work in workers))
        while await rows(db):
            await workers[0].turn()
        assert len(wire.sent) == len(set(wire.sent)) == count


@on_one_database
async def test_no_more_mails_are_on_their_way_at_a_time_than_may(db: Database, outbox: Outbox) -> None:
    for n in range(12):
        await post(db, outbox, replace(NOTICE, to=f"{n}@example.com"))
    wire, now, most = Wire(), 0, 0

    async def count() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    wire.before = count
    assert await courier(db, outbox, wire, Clock(NOW)).turn() == 12
    assert most <= CONFIG.parallel
    assert len(wire.sent) == 12


async def test_what_nobody_sent_in_time_is_swept(db: Database, outbox: Outbox) -> None:
    await post(db, outbox)
    await db.run(forget_old, NOW + 86_400)
    assert len(await rows(db)) == 1
    await db.run(forget_old, NOW + 3 * 86_400)
    assert await rows(db) == []
