"""A code that is redeemed while everything of its user is being ended, or while the user's password is changed."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text

from admit.issuer.accounts.passwords import dummy_hash
from admit.issuer.accounts.transactions import set_password
from admit.issuer.grants.records import Redeemed, Refusal, Refused
from admit.issuer.sessions.records import Ended
from admit.issuer.sessions.transactions import end_all, start
from admit.issuer.storage import Statement, Steps
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain
from tests.plugins.patience import patience

STORE = "admit.issuer.revocation.store"
WAIT_FOR_TEST = Statement(text("SELECT pg_advisory_xact_lock_shared(7)"))


async def waiters(watch: "asyncpg.Connection") -> int:
    """How many transactions of this database wait for a lock."""
    return int(
        await watch.fetchval(
            "SELECT count(DISTINCT a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database()"
        )
    )


async def waiting(
    watch: "asyncpg.Connection", wanted: int, or_done: "asyncio.Task[object] | None" = None
) -> None:
    """Until so many of them wait, or nothing is left to wait for."""
    async with asyncio.timeout(patience()):
        while await waiters(watch) < wanted and not (  # noqa: ASYNC110  # no event tells of another server's locks
            or_done is not None and or_done.done()
        ):
            await asyncio.sleep(0.002)


def everything(parts: Parts, user_id: str) -> Steps[object]:
    return (
        yield from end_all(parts.lists, user_id, offline=True, keep=None, reason="stolen", info=INFO, now=NOW)
    )


def password(parts: Parts, user_id: str) -> Steps[object]:
    return (yield from set_password(parts.lists, user_id, dummy_hash(), info=INFO, now=NOW))


@pytest.mark.parametrize("end", [everything, password])
@pytest.mark.parametrize(
    "offline",
    [
        pytest.param(True, marks=pytest.mark.threat("SES-6", off=f"{STORE}.holders:share_user")),
        pytest.param(False, marks=pytest.mark.threat("SES-6", off=f"{STORE}.nodes:lock_node")),
    ],
)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_no_grant_comes_of_a_code_once_everything_of_its_user_was_ended(
    open_again: OpenAgain,
    database_url: str,
    end: Callable[[Parts, str], Steps[object]],
    offline: bool,
) -> None:
    one, other = await Parts.on(await open_again()), await Parts.on(await open_again())
    new = await one.sign_in()
    code = await one.code(new, offline=offline)
    kept = await one.grant(new, offline=offline)

    def end_slowly() -> Steps[None]:
        yield from end(one, new.session.user.id)
        yield WAIT_FOR_TEST()

    watch = await asyncpg.connect(database_url)
    try:
        await watch.execute("SELECT pg_advisory_lock(7)")
        ending = asyncio.create_task(one.db.run(end_slowly))
        await waiting(watch, 1)
        redeeming: asyncio.Task[object] = asyncio.create_task(_redeem(other.redeem(code)))
        await waiting(watch, 2)
        await watch.execute("SELECT pg_advisory_unlock(7)")
        await ending
        redeemed = await redeeming
    finally:
        await watch.close()
    assert redeemed == Refused(Refusal.PARENT_ENDED)
    assert await other.is_ended(kept.family.id)
    assert await other.families.list(new.session.user.id, NOW) == []


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.threat("INF-race", off="admit.issuer.revocation.store.ends:hold_start")
async def test_a_session_that_was_being_begun_is_waited_for_ended_and_told(
    open_again: OpenAgain, database_url: str, offline: bool
) -> None:
    one, other = await Parts.on(await open_again()), await Parts.on(await open_again())
    user = await one.user()

    def start_slowly() -> Steps[object]:
        session = yield from start(
            one.lists, one.sessions.config, user, id_hash=b"h" * 32, replaces=None, auth_time=NOW,
            acr="urn:admit:acr:1fa", amr=("pwd",), info=INFO, now=NOW,
        )  # fmt: skip
        yield WAIT_FOR_TEST()
        return session

    watch = await asyncpg.connect(database_url)
    try:
        await watch.execute("SELECT pg_advisory_lock(7)")
        starting = asyncio.create_task(one.db.run(start_slowly))
        await waiting(watch, 1)
        ending: asyncio.Task[object] = asyncio.create_task(
            other.db.run(
                end_all, other.lists, user.id, offline=offline, keep=None, reason="stolen", info=INFO, now=NOW
            )
        )
        await waiting(watch, 2, or_done=ending)
        await watch.execute("SELECT pg_advisory_unlock(7)")
        assert await starting is not None
        assert await ending == Ended(sessions=1)
    finally:
        await watch.close()
    assert await other.sessions.find(b"h" * 32, NOW) is None
    assert (await other.events()).count("session.ended") == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_code_redeemed_just_before_is_ended_with_the_rest(open_again: OpenAgain) -> None:
    parts = await Parts.on(await open_again())
    new = await parts.sign_in()
    redeemed = await parts.redeem(await parts.code(new, offline=True))
    assert isinstance(redeemed, Redeemed)
    await parts.db.run(everything, parts, new.session.user.id)
    assert await parts.is_ended(redeemed.family.id)


async def _redeem(redeeming: Awaitable[object]) -> object:
    return await redeeming
