"""What users do with their own sessions, on both databases: names, notices of sign-ins, how many there may be."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import delete, insert

from admit.errors import ThrottledError
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import MailConfig, Outbox
from admit.issuer.sessions import store
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.driver import Sessions
from admit.issuer.sessions.records import NewSession, SessionEntry
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Database, Statement, bound_once
from tests.fixtures.people import INFO, NOW, Parts

DAY = 86_400.0
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HOME = RequestInfo(ip="192.0.2.7", user_agent=FIREFOX)
ELSEWHERE = RequestInfo(ip="203.0.113.9", user_agent=FIREFOX)


async def begin(
    sessions: Sessions, user: object, info: RequestInfo = HOME, now: float = NOW, familiar: bool | None = None
) -> NewSession:
    return await sessions.start(
        user, auth_time=now, acr="urn:admit:acr:1fa", amr=("pwd",), info=info, now=now, familiar=familiar,  # type: ignore[arg-type]  # a User
    )  # fmt: skip


async def entry(parts: Parts, new: NewSession, now: float = NOW) -> SessionEntry:
    found = await parts.sessions.list(new.session.user.id, now)
    return next(one for one in found if one.id == new.session.id)


# Names


async def test_a_session_is_called_what_its_user_says_and_nothing_again(parts: Parts) -> None:
    new = await parts.sign_in()

    async def rename(name: str | None) -> bool:
        return await parts.sessions.rename(
            new.session.id, name, user_id=new.session.user.id, info=INFO, now=NOW
        )

    assert (await entry(parts, new)).name is None
    assert await rename(" The old laptop ")
    assert (await entry(parts, new)).name == "The old laptop"
    assert await parts.sessions.find(hash_id(new.raw), NOW) == new.session, "the session itself is the same"
    assert await rename("")
    assert (await entry(parts, new)).name is None
    assert (await parts.events()).count("session.named") == 2
    told = [row for row in await parts.rows("audit") if row["event"] == "session.named"]
    assert all("laptop" not in row["detail"] for row in told)


async def test_who_names_sessions_again_and_again_waits_and_nobody_else_does(db: Database) -> None:
    parts = await Parts.on(db, sessions=SessionConfig(names_per_hour=2))
    mine = await parts.sign_in()

    async def rename(name: str, *, now: float = NOW, user_id: str = mine.session.user.id) -> bool:
        return await parts.sessions.rename(mine.session.id, name, user_id=user_id, info=INFO, now=now)

    assert await rename("one")
    assert await rename("two")
    with pytest.raises(ThrottledError) as refused:
        await rename("three", now=NOW + 60)
    assert refused.value.retry_after == 3_540
    assert (await entry(parts, mine)).name == "two"
    assert (await parts.events()).count("session.named") == 2
    assert not await rename("theirs", user_id="u_somebody"), (
        "their budget is their own, and so is the session"
    )
    assert await rename("three", now=NOW + 3_601)


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.store:rename_own")
async def test_nobody_names_what_is_anothers_or_over(parts: Parts) -> None:
    mine, theirs = await parts.sign_in(), await parts.sign_in()
    user_id = mine.session.user.id
    for odd in (theirs.session.id, "", "nothing", "\0", "\ud800", "x" * 10_000):
        assert not await parts.sessions.rename(odd, "Mine", user_id=user_id, info=INFO, now=NOW)
    assert (await entry(parts, theirs)).name is None
    await parts.sessions.end(mine.session.id, user_id=user_id, reason="x", info=INFO, now=NOW)
    assert not await parts.sessions.rename(mine.session.id, "Mine", user_id=user_id, info=INFO, now=NOW)
    assert "session.named" not in await parts.events()


# Sign-ins that nobody expected


def mailed(parts: Parts) -> Sessions:
    config = MailConfig(url="smtp://localhost:2525", sender="Admit <no-reply@id.example>")
    return Sessions(parts.db, parts.lists, outbox=Outbox(config, parts.db.keyring))


async def mails(parts: Parts) -> list[dict[str, str]]:
    config = MailConfig(url="smtp://localhost:2525", sender="Admit <no-reply@id.example>")
    opened = [Outbox(config, parts.db.keyring).open(row) for row in await parts.rows("outbox")]
    return [{"kind": one.mail.kind, "to": one.mail.to, **one.mail.data} for one in opened]


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.transactions:tell_sign_in")
async def test_a_sign_in_from_a_place_that_is_not_known_is_told_once_and_marked(parts: Parts) -> None:
    sessions = mailed(parts)
    user = await parts.user(email_verified_at=NOW, locale="en")
    first = await begin(sessions, user)
    again = await begin(sessions, user, now=NOW + 60)
    assert await mails(parts) == [], "the first of a new account, and the same browser once more"
    new = await begin(sessions, user, ELSEWHERE, NOW + 120)
    assert await mails(parts) == [
        {"kind": "signed_in", "to": user.email_shown, "user_agent": FIREFOX, "ip": "203.0.113.9"}
    ]
    marked = [(await entry(parts, one, NOW + 120)).unfamiliar for one in (first, again, new)]
    assert marked == [False, False, True]
    await begin(sessions, user, ELSEWHERE, NOW + 180)
    assert len(await mails(parts)) == 1


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.transactions:tell_ended")
async def test_the_end_of_everything_is_told_where_there_was_something_to_end(parts: Parts) -> None:
    sessions = mailed(parts)
    user, unproven = await parts.user(email_verified_at=NOW), await parts.user()
    for one in (user, unproven):
        await begin(sessions, one)
        await sessions.end_everything(one.id, reason="x", info=INFO, now=NOW)
        await sessions.end_everything(one.id, reason="x", info=INFO, now=NOW)
    assert await mails(parts) == [{"kind": "sessions_ended", "to": user.email_shown}]
    await begin(sessions, user, now=NOW + 60)
    await sessions.end_all(user.id, reason="x", info=INFO, now=NOW + 60)
    assert len(await mails(parts)) == 1, "the others only: the page tells"


async def test_what_the_browser_shows_decides_before_the_place(parts: Parts) -> None:
    sessions = mailed(parts)
    user = await parts.user(email_verified_at=NOW)
    await begin(sessions, user)
    known = await begin(sessions, user, ELSEWHERE, familiar=True)
    unknown = await begin(sessions, user, HOME, familiar=False)
    assert [(await entry(parts, one)).unfamiliar for one in (known, unknown)] == [False, True]
    assert [mail["ip"] for mail in await mails(parts)] == [HOME.ip]


async def test_an_address_that_nobody_proved_is_told_nothing(parts: Parts) -> None:
    sessions = mailed(parts)
    user = await parts.user(created_at=NOW - 400 * DAY)
    new = await begin(sessions, user, ELSEWHERE)
    assert await mails(parts) == [], "it may be somebody else's"
    assert (await entry(parts, new)).unfamiliar


async def test_an_account_that_slept_for_months_is_told_of_the_next_sign_in(parts: Parts) -> None:
    sessions = mailed(parts)
    user = await parts.user(created_at=NOW - 400 * DAY, email_verified_at=NOW)
    await begin(sessions, user)
    assert len(await mails(parts)) == 1


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.store:vouch_for")
async def test_only_a_known_session_vouches_for_an_unknown_one(parts: Parts) -> None:
    user = await parts.user()
    known = await begin(parts.sessions, user)
    thief, second = [await begin(parts.sessions, user, ELSEWHERE, familiar=False) for _ in range(2)]
    stranger = await parts.sign_in()

    async def vouch(for_: NewSession, witness: NewSession, who: NewSession = known) -> bool:
        return await parts.sessions.vouch(
            for_.session.id, witness=witness.session.id, user_id=who.session.user.id, info=INFO, now=NOW
        )

    assert not await vouch(thief, thief), "nobody for themselves"
    assert not await vouch(thief, second), "nor one of the same kind for the other"
    assert not await vouch(thief, stranger, stranger)
    assert not await vouch(thief, stranger)
    assert (await entry(parts, thief)).unfamiliar
    assert await vouch(thief, known)
    assert not await vouch(thief, known), "once"
    assert not (await entry(parts, thief)).unfamiliar
    assert (await entry(parts, second)).unfamiliar
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "session.vouched"]
    assert (told["user_id"], told["session_id"]) == (user.id, thief.session.id)


# How many


@pytest.mark.threat("SES-4", off="admit.issuer.sessions.transactions:end_surplus")
async def test_beyond_the_limit_the_session_used_longest_ago_ends_with_what_it_let_in(db: Database) -> None:
    parts = await Parts.on(db, sessions=SessionConfig(per_user=3))
    user, stranger = await parts.user(), await parts.sign_in()
    sessions = [await begin(parts.sessions, user, now=NOW + n) for n in range(3)]
    grant = await parts.grant(sessions[1])
    await parts.sessions.touch(sessions[0].session.id, NOW + 100)
    newest = await begin(parts.sessions, user, now=NOW + 101)
    left = [one.id for one in await parts.sessions.list(user.id, NOW + 101)]
    assert left == [newest.session.id, sessions[0].session.id, sessions[2].session.id]
    assert await parts.sessions.find(hash_id(sessions[1].raw), NOW + 101) is None
    assert await parts.is_ended(grant.family.id)
    assert await parts.sessions.find(hash_id(stranger.raw), NOW + 101) is not None, "each user has a limit"
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "session.ended"]
    assert "too many sessions" in told["detail"]


async def test_sign_ins_at_the_same_moment_leave_no_more_than_the_next_one_mends(db: Database) -> None:
    parts = await Parts.on(db, sessions=SessionConfig(per_user=4))
    user = await parts.user()
    await asyncio.gather(*(begin(parts.sessions, user, now=NOW + n) for n in range(12)))
    await begin(parts.sessions, user, now=NOW + 60)
    assert len(await parts.sessions.list(user.id, NOW + 60)) == 4


async def test_renewing_a_session_ends_no_other_and_marks_nothing(db: Database) -> None:
    parts = await Parts.on(db, sessions=SessionConfig(per_user=2))
    user = await parts.user()
    first, second = [await begin(parts.sessions, user, now=NOW + n) for n in range(2)]
    renewed = await parts.sessions.renew(first.raw, user=user, acr="a", amr=(), info=ELSEWHERE, now=NOW + 5)
    assert renewed.session == replace(
        first.session, acr="a", amr=(), auth_time=NOW + 5, last_seen_at=NOW + 5,
        expires_at=renewed.session.expires_at,
    )  # fmt: skip
    found = await parts.sessions.list(user.id, NOW + 5)
    assert {one.id for one in found} == {first.session.id, second.session.id}
    assert not any(one.unfamiliar for one in found)


# Beside an older node


async def test_a_session_that_an_older_node_began_has_no_name_and_is_nobodys_question(parts: Parts) -> None:
    new = await begin(parts.sessions, await parts.user(), familiar=False)
    (row,) = await parts.rows("session")
    since = {"name", "unfamiliar"}
    known = {column.name: row[column.name] for column in store.session.c if column.name not in since}
    await parts.db.run(bound_once, Statement(delete(store.session))())
    await parts.db.run(bound_once, Statement(insert(store.session).values(known))())
    found = await entry(parts, new)
    assert (found.name, found.unfamiliar) == (None, False)
    assert await parts.sessions.rename(
        new.session.id, "Here", user_id=new.session.user.id, info=INFO, now=NOW
    )
