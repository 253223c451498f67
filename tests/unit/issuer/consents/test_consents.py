"""Remembered consents on both databases: kept with their code, taken back with all that came of them."""

import asyncio
from collections.abc import Callable

import pytest

from admit.issuer import Client
from admit.issuer.clients import transactions as clients
from admit.issuer.consents.driver import KEPT_AFTER_REMOVAL, Consents
from admit.issuer.consents.records import Answer, Remembered
from admit.issuer.grants.records import Redeemed
from admit.issuer.sessions.records import NewSession
from admit.issuer.storage import Database
from tests.fixtures.people import API, CALLBACK, CLIENT, INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain

APP = Client(id=CLIENT, name="Orders", redirect_uris=(CALLBACK,))
ANSWER = Answer(granted=frozenset({"openid", "orders:read"}), shown={"openid": "1", "orders:read": "1"})


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


def consents_of(parts: Parts) -> Consents:
    return Consents(parts.db, parts.lists)


async def code(
    parts: Parts, new: NewSession, answer: Answer | None, relied: Remembered | None = None
) -> str | None:
    """A code that a yes of now, or one from before, allows."""
    consents, user_id = consents_of(parts), new.session.user.id
    along = (
        consents.remembering(user_id, APP, API, answer, redirect_uri=CALLBACK, now=NOW)
        if answer is not None
        else consents.relying(user_id, relied)
        if relied is not None
        else None
    )
    return await parts.codes.issue(parts.authorization(new), info=INFO, now=NOW, along=along)


async def recall(parts: Parts, new: NewSession) -> Remembered | None:
    return await consents_of(parts).recall(new.session.user.id, APP, API, redirect_uri=CALLBACK)


async def take_back(parts: Parts, new: NewSession) -> bool:
    return await consents_of(parts).take_back(
        new.session.user.id, CLIENT, reason="ended by user", info=INFO, now=NOW
    )


async def test_an_answer_is_kept_with_its_code_and_a_later_one_in_its_place(parts: Parts) -> None:
    new = await parts.sign_in()
    assert await recall(parts, new) is None
    assert await code(parts, new, ANSWER) is not None
    kept = await recall(parts, new)
    assert kept == Remembered(
        client_id=CLIENT, audience=API, granted=ANSWER.granted, shown=dict(ANSWER.shown), given_at=NOW
    )
    await code(parts, new, Answer(granted=frozenset(), shown={"orders:read": "2"}))
    again = await recall(parts, new)
    assert again is not None
    assert (again.granted, again.shown["orders:read"]) == (frozenset({"openid"}), "2")
    assert len(await consents_of(parts).list(new.session.user.id)) == 1
    other = await parts.sign_in()
    assert await recall(parts, other) is None


@pytest.mark.threat("6819-4.2.3", off="admit.issuer.consents.transactions:holds")
async def test_what_was_taken_back_since_it_was_read_gives_no_code(parts: Parts) -> None:
    new = await parts.sign_in()
    await code(parts, new, ANSWER)
    relied = await recall(parts, new)
    assert await code(parts, new, None, relied) is not None
    assert await take_back(parts, new)
    assert await code(parts, new, None, relied) is None
    assert not await take_back(parts, new), "there is nothing any more"
    assert "consent.withdrawn" in await parts.events()


async def test_taking_back_ends_the_grants_and_voids_the_codes_that_are_on_their_way(parts: Parts) -> None:
    new = await parts.sign_in()
    first = await code(parts, new, ANSWER)
    assert first is not None
    grant = await parts.redeem(first)
    assert isinstance(grant, Redeemed)
    waiting = await code(parts, new, None, await recall(parts, new))
    assert waiting is not None
    assert await take_back(parts, new)
    assert await parts.is_ended(grant.family.id)
    assert not isinstance(await parts.redeem(waiting), Redeemed)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_code_and_the_taking_back_of_its_yes_at_once_leave_nothing_alive(
    open_again: OpenAgain, rounds: Callable[..., range]
) -> None:
    here, there = await Parts.on(await open_again()), await Parts.on(await open_again())
    for _ in rounds(test=3, soak=200):
        new = await here.sign_in()
        await code(here, new, ANSWER)
        relied = await recall(here, new)
        made = await asyncio.gather(*(code(here, new, None, relied) for _ in range(8)), take_back(there, new))
        assert made[-1] is True
        for one in made[:-1]:
            if isinstance(one, str):
                assert not isinstance(await there.redeem(one), Redeemed), "it was voided"
        assert await recall(there, new) is None


async def test_what_was_said_to_a_client_is_forgotten_some_time_after_it_is_gone(parts: Parts) -> None:
    await parts.db.run(clients.sync, add={CLIENT}, remove=set(), now=NOW)
    new = await parts.sign_in()
    await code(parts, new, ANSWER)
    consents = consents_of(parts)
    await consents.sweep(NOW + 10 * KEPT_AFTER_REMOVAL)
    assert await recall(parts, new) is not None
    await parts.db.run(clients.sync, add=set(), remove={CLIENT}, now=NOW)
    await consents.sweep(NOW + KEPT_AFTER_REMOVAL)
    assert await recall(parts, new) is not None, "another node may have the settings from before"
    await consents.sweep(NOW + KEPT_AFTER_REMOVAL + 1)
    assert await recall(parts, new) is None


async def test_what_was_said_to_a_client_without_a_row_is_forgotten_at_once(parts: Parts) -> None:
    new = await parts.sign_in()
    await code(parts, new, ANSWER)
    await consents_of(parts).sweep(NOW)
    assert await recall(parts, new) is None
