"""Whatever ends a session: no node takes it at the next request, also before its process has read of the end."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import pytest

from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.links import EmailLinks
from admit.issuer.accounts.passwords import PasswordHasher, dummy_hash
from admit.issuer.accounts.records import User
from admit.issuer.app.removal import kept_of
from admit.issuer.factors.driver import Factors
from admit.issuer.outbox import NO_MAIL
from admit.issuer.revocation.store.lists import SELECT_HEAD
from admit.issuer.sessions.finding import BURIED_AT_ONCE
from admit.issuer.storage import Bound, EndListener, Keyring, Publish, Row, Steps
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.redis import RedisServer
from tests.fixtures.second_factor import add_app
from tests.fixtures.session_copies import Node, node

pytestmark = pytest.mark.usefixtures("patient")
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BURY = "admit.issuer.sessions.driver:Sessions._bury_ended"


class QuickHasher(PasswordHasher):
    """What is tested is what a new password ends: a hash of nothing in place of the dear one."""

    async def hash(self, password: bytes, *, network: str = "", known: bool = True) -> str:
        return dummy_hash()


async def test_an_end_on_one_node_is_seen_by_the_next_request_at_another(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    """Before the other's process has read of the end: the copy is buried with the end."""
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring) as other:
        new, kept = await parts.sign_in(), await parts.sign_in()
        assert await one.find(new) == new.session
        assert await one.find(kept) == kept.session
        user_id = new.session.user.id
        assert await other.sessions.end(new.session.id, user_id=user_id, reason="logout", info=INFO, now=NOW)
        assert await one.find(new) is None
        assert await one.find(kept) == kept.session


async def test_ending_all_of_a_users_sessions_buries_each_copy(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring) as other:
        user = await parts.user()
        mine = [await parts.sign_in(user) for _ in range(3)]
        for new in mine:
            assert await one.find(new) == new.session
        await other.sessions.end_all(
            user.id, keep=mine[0].session.id, reason="ended by user", info=INFO, now=NOW
        )
        assert [await one.find(new) for new in mine] == [mine[0].session, None, None]


async def test_who_knew_the_old_password_is_out_at_the_next_request_on_any_node(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    """Before the other's process has read of the ends."""
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring) as other:
        user = await parts.user()
        here, there = await parts.sign_in(user), await parts.sign_in(user)
        assert await one.find(here) == here.session
        assert await one.find(there) == there.session
        changed = await other.sessions.change_password(
            here.raw, here.session, user, dummy_hash(), info=INFO, now=NOW
        )
        assert await one.find(there) is None
        assert await one.find(here) is None
        assert await one.find(changed) == changed.session


def people(parts: Parts) -> Accounts:
    return Accounts(parts.db, parts.lists, QuickHasher())


async def disabled(parts: Parts, user: User) -> None:
    await people(parts).disable(user.id, info=INFO, now=NOW)


async def removed(parts: Parts, user: User) -> None:
    await people(parts).remove(user.id, also=kept_of(user.id), info=INFO, now=NOW)


async def given_a_role(parts: Parts, user: User) -> None:
    assert await people(parts).add_role(user.id, "editor", info=INFO, now=NOW)


async def given_a_password(parts: Parts, user: User) -> None:
    await people(parts).set_password(user.id, "a new pass sentence", info=INFO, now=NOW)


async def reset_by_a_link(parts: Parts, user: User) -> None:
    links = EmailLinks(
        parts.db, parts.lists, people(parts), QuickHasher(), NO_MAIL, issuer="https://id.example"
    )
    handed = await links.hand_over(user.id, void=False, info=INFO, now=NOW)
    token = handed.link.rpartition("t=")[2]
    await links.reset(token, "a new pass sentence", info=INFO, now=NOW)


async def second_factor_added(parts: Parts, user: User) -> None:
    await add_app(Factors(parts.db, parts.lists), user, NOW)


ACTS = (disabled, removed, given_a_role, given_a_password, reset_by_a_link, second_factor_added)
Act: TypeAlias = Callable[[Parts, User], Awaitable[None]]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
@pytest.mark.threat("SES-1", off=BURY)
async def test_a_change_of_an_account_is_seen_by_the_next_request_at_another_node(
    parts: Parts, redis_url: str, keyring: Keyring, act: Act
) -> None:
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring):
        new, others = await parts.sign_in(), await parts.sign_in()
        assert await one.find(new) == new.session
        assert await one.find(others) == others.session
        await act(parts, new.session.user)
        assert await one.find(new) is None
        reads = one.reads
        assert await one.find(others) == others.session
        assert one.reads == reads, "somebody else's copy stays"


async def test_a_second_factor_taken_away_leaves_the_session_in_which_that_was_done(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    factors = Factors(parts.db, parts.lists)
    async with node(parts, redis_url, keyring) as one, node(parts, redis_url, keyring):
        user = (await add_app(factors, await parts.user(), NOW - 120)).user
        here, there = await parts.sign_in(user), await parts.sign_in(user)
        assert await one.find(here) == here.session
        assert await one.find(there) == there.session
        (app,) = (await factors.view(user.id)).apps
        assert await factors.remove(user, app.id, keep=here.session.id, info=INFO, now=NOW) == 1
        assert await one.find(there) is None
        assert await one.find(here) == here.session


async def test_the_session_that_was_one_too_many_is_out_as_well(
    parts: Parts, redis_url: str, keyring: Keyring
) -> None:
    user = await parts.user()
    async with node(parts, redis_url, keyring, per_user=1) as one:
        first = await parts.sign_in(user)
        assert await one.find(first) == first.session
        second = await one.sessions.start(
            user, auth_time=NOW, acr="urn:admit:acr:1fa", amr=("pwd",), info=INFO, now=NOW + 1
        )
        assert await one.find(first, NOW + 1) is None
        assert await one.find(second, NOW + 1) == second.session


@ONE
async def test_with_redis_away_all_of_it_is_done_and_the_bit_tells(
    parts: Parts, server: RedisServer, keyring: Keyring
) -> None:
    async with node(parts, server.url, keyring) as one:
        new = await parts.sign_in()
        assert await one.find(new) == new.session
        server.stop()
        await disabled(parts, new.session.user)
        one.ended.add(new.session.idx)
        assert await one.find(new) is None


def asked_to_bury(one: Node, monkeypatch: pytest.MonkeyPatch, *, answered: bool) -> list[bytes]:
    """The hashed ids whose copies are to be buried from now on, by a Redis that answers or does not."""
    asked: list[bytes] = []

    async def bury(id_hash: bytes) -> bool:
        asked.append(id_hash)
        return answered

    monkeypatch.setattr(one.copies, "bury", bury)
    return asked


@ONE
async def test_who_waits_for_a_redis_that_is_away_waits_once(
    parts: Parts, redis_url: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(parts, redis_url, keyring) as one:
        asked = asked_to_bury(one, monkeypatch, answered=False)
        user = await parts.user()
        for _ in range(BURIED_AT_ONCE + 3):
            await parts.sign_in(user)
        await disabled(parts, user)
        assert len(asked) == BURIED_AT_ONCE


async def test_what_was_over_by_its_own_times_is_not_buried(
    parts: Parts, redis_url: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy says the times. With Redis away each portion of a sweep would wait for it."""
    async with node(parts, redis_url, keyring) as one:
        asked = asked_to_bury(one, monkeypatch, answered=True)
        new = await parts.sign_in()
        later = NOW + one.sessions.config.idle.total_seconds() + 1
        assert await one.sessions.sweep(later) == 1
        assert asked == []
        await disabled(parts, (await parts.sign_in(new.session.user)).session.user)
        assert len(asked) == 1


async def test_an_end_that_was_not_committed_is_told_to_nobody_and_one_that_was_tried_twice_once(
    parts: Parts,
) -> None:
    told: list[Sequence[Row]] = []

    async def tell(rows: Sequence[Row]) -> None:
        told.append(rows)

    def look(indices: Sequence[int]) -> Bound:
        return SELECT_HEAD()

    def ends(fails: bool) -> Steps[str]:
        assert (yield SELECT_HEAD())
        assert not (yield Publish((1,)))
        if fails:
            raise ValueError("no")
        return "done"

    parts.db.on_ended(EndListener(look, tell))
    with pytest.raises(ValueError, match="no"):
        await parts.db.run(ends, True)
    assert told == []
    assert await parts.db.run(ends, False) == "done"
    assert [len(rows) for rows in told] == [1]
