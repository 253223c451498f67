"""Who is to be told that a session is over: due in the transaction of its end, on both databases."""

import asyncio
import secrets
from collections.abc import Callable

import pytest
from sqlalchemy import select

from admit.issuer.revocation.store import logins, raise_epoch
from admit.issuer.revocation.store.logins import client_login
from admit.issuer.sessions.records import NewSession
from admit.issuer.storage import Database, Row, Statement, bound_once
from tests.fixtures.people import CLIENT, INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain

DAY = 86_400.0


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


async def note(parts: Parts, new: NewSession, client_id: str = CLIENT) -> None:
    bound = logins.note(
        secrets.token_hex(16), session_id=new.session.id, client_id=client_id, user_id=new.session.user.id
    )
    await parts.db.run(bound_once, bound)


async def kept(parts: Parts) -> list[Row]:
    return list(await parts.db.read(Statement(select(client_login).order_by(client_login.c.client_id))()))


async def whose_due(parts: Parts, now: float) -> list[str]:
    return [row["client_id"] for row in await parts.db.read(logins.WHOSE_DUE(now=now, most=9))]


async def claim(parts: Parts, now: float, most: int = 9) -> list[Row]:
    bound = logins.CLAIM(of_client=CLIENT, now=now, until=now + 60, most=most)
    return list(await parts.db.run(bound_once, bound))


async def test_a_login_is_due_when_its_session_is_ended_and_no_other_is(parts: Parts) -> None:
    ended, other = await parts.sign_in(), await parts.sign_in()
    for new in (ended, other):
        await note(parts, new)
        await note(parts, new, "another-app")
    assert await whose_due(parts, NOW) == []
    user_id = ended.session.user.id
    assert await parts.sessions.end(ended.session.id, user_id=user_id, reason="logout", info=INFO, now=NOW)
    assert sorted(await whose_due(parts, NOW)) == ["another-app", CLIENT]
    over = {row["session_id"] for row in await kept(parts) if row["over"]}
    assert over == {ended.session.id}


async def test_a_login_is_noted_once_and_anew_after_it_was_over(parts: Parts) -> None:
    new = await parts.sign_in()
    await note(parts, new)
    await note(parts, new)
    assert len(await kept(parts)) == 1
    user_id = new.session.user.id
    await parts.db.run(bound_once, logins.over_in(user_id, CLIENT, session_id=new.session.id, now=NOW))
    await note(parts, new)
    assert sorted(row["over"] for row in await kept(parts)) == [0, 1]
    bound = logins.note(secrets.token_hex(16), session_id="no-such", client_id=CLIENT, user_id=user_id)
    await parts.db.run(bound_once, bound)
    assert len(await kept(parts)) == 2, "there is no such session"


async def test_everything_that_ends_together_is_due_together(parts: Parts) -> None:
    user = await parts.user()
    for _ in range(3):
        await note(parts, await parts.sign_in(user))
    await parts.sessions.end_everything(user.id, reason="test", info=INFO, now=NOW)
    assert [row["due_at"] for row in await kept(parts)] == [NOW] * 3


async def test_a_restored_database_tells_every_client_that_it_knows_of(parts: Parts) -> None:
    for _ in range(2):
        await note(parts, await parts.sign_in())
    await parts.db.run(raise_epoch, parts.lists, now=NOW)
    assert [row["due_at"] for row in await kept(parts)] == [NOW] * 2


async def test_a_session_that_expires_by_itself_is_told_too(parts: Parts) -> None:
    new = await parts.sign_in()
    await note(parts, new)
    assert await whose_due(parts, new.session.absolute_expires_at - 1) == []
    assert await whose_due(parts, new.session.absolute_expires_at) == [CLIENT]


async def test_who_dies_with_a_notice_in_hand_leaves_it_to_others_and_may_no_more_change_it(
    parts: Parts,
) -> None:
    new = await parts.sign_in()
    await note(parts, new)
    await parts.sessions.end(new.session.id, user_id=new.session.user.id, reason="x", info=INFO, now=NOW)
    [first] = await claim(parts, NOW)
    assert await claim(parts, NOW + 59) == []
    [second] = await claim(parts, NOW + 60)
    assert (first["tries"], second["tries"]) == (1, 2)
    late = logins.LATER(login_id=first["id"], try_=1, again_at=NOW + DAY)
    await parts.db.run(bound_once, late)
    assert (await kept(parts))[0]["due_at"] == NOW + 120, "it is another's by now"
    await parts.db.run(bound_once, logins.TOLD(login_id=second["id"]))
    assert await kept(parts) == []


async def test_of_several_workers_each_notice_has_one(
    open_again: OpenAgain, rounds: Callable[..., range]
) -> None:
    nodes = [await Parts.on(await open_again()) for _ in range(2)]
    here = nodes[0]
    user = await here.user()
    for _ in rounds(test=1, soak=50):
        for _ in range(8):
            await note(here, await here.sign_in(user))
        await here.sessions.end_everything(user.id, reason="test", info=INFO, now=NOW)
        taken = await asyncio.gather(*(claim(nodes[n % 2], NOW, most=2) for n in range(12)))
        ids = [row["id"] for rows in taken for row in rows]
        assert len(ids) == len(set(ids)) == 8
        for one in ids:
            await here.db.run(bound_once, logins.TOLD(login_id=one))
