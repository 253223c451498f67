"""An end against everything that is issued meanwhile, and many ends against each other."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text

from admit.errors import AdmitError
from admit.issuer.revocation import ByClient, ByNode, ByUser, EndStart, Node, NodeKind, store
from admit.issuer.revocation.store.lists import SELECT_CHANGES
from admit.issuer.storage import Database, Statement, Steps
from tests.fixtures.families import LATER, NOW, Process
from tests.plugins.patience import patience

OpenAgain = Callable[[], Awaitable[Database]]
Rounds = Callable[..., range]

ISSUES = 50
SOME_TIME = 400  # turns of the event loop: enough for the end to come before some issues and after others
LOCK_NODE = "admit.issuer.revocation.store.nodes:lock_node"
SHARE_CLIENT = "admit.issuer.revocation.store.holders:share_client"
HOLD_START = "admit.issuer.revocation.store.ends:hold_start"
WAIT_FOR_TEST = Statement(text("SELECT pg_advisory_xact_lock_shared(7)"))


@pytest.fixture
async def two(open_again: OpenAgain) -> tuple[Process, Process]:
    """Two issuer processes on one database."""
    return await Process.start(await open_again()), await Process.start(await open_again())


async def issue(process: Process, session: Node, grant: Node, what: int, turns: int) -> Node | None:
    """Open what can hang from the session, from the grant, or from the user and client, after some turns."""
    for _ in range(turns):
        await asyncio.sleep(0)
    match what % 3:
        case 0:
            return await process.open(
                NodeKind.ONLINE, parent_id=session.id, user_id=session.user_id, client_id="app"
            )
        case 1:
            return await process.open(
                NodeKind.DERIVED, parent_id=grant.id, user_id=session.user_id, client_id="app"
            )
        case _:
            return await process.open(NodeKind.OFFLINE, user_id=session.user_id, client_id="app")


def belongs_to(start: EndStart, node: Node, session: Node, grant: Node) -> bool:
    if isinstance(start, ByNode):
        return node.parent_id in (session.id, grant.id)
    return True


def end_for_good(process: Process, start: EndStart) -> Steps[int]:
    """End, and let nothing begin again: for a client those are two calls."""
    ended = yield from store.end(process.lists, start, reason="test", now=NOW)
    if isinstance(start, ByClient):
        yield from store.end_holder("client", start.client_id, NOW)
    return ended


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("node", marks=pytest.mark.threat("INF-race", off=LOCK_NODE)),
        pytest.param("user", marks=pytest.mark.threat("SES-6", off=LOCK_NODE)),
        pytest.param("client", marks=pytest.mark.threat("INF-race", off=SHARE_CLIENT)),
    ],
)
async def test_nothing_is_alive_after_an_end_that_raced_with_50_issues(
    two: tuple[Process, Process], by: str, rng: random.Random, rounds: Rounds
) -> None:
    for n in rounds(quick=1, test=3, soak=200):
        user, client = f"u_{n}", "app"
        await two[0].db.run(store.restore_holder, "client", client)
        await two[0].user(user)
        session = await two[0].session(user)
        grant = await two[0].grant(session, client)
        start: EndStart = {
            "node": ByNode(session.id),
            "user": ByUser(user, disable=True),
            "client": ByClient(client),
        }[by]

        async def end_meanwhile(start: EndStart = start) -> int:
            for _ in range(rng.randrange(SOME_TIME // 2)):
                await asyncio.sleep(0)
            return await two[1].db.run(end_for_good, two[1], start)

        made = await asyncio.gather(
            end_meanwhile(),
            *(issue(two[i % 2], session, grant, i, rng.randrange(SOME_TIME)) for i in range(ISSUES)),
        )
        after = [await issue(two[i % 2], session, grant, i, 0) for i in range(6)]
        opened = [node for node in [grant, *made[1:], *after] if isinstance(node, Node)]
        doomed = [node for node in opened if belongs_to(start, node, session, grant)]
        print(f"round {n} by {by}: {len(opened)} opened, {made[0]} ended")
        for process in two:
            assert not [node.id for node in doomed if await process.is_live(node)]
            assert not [node.id for node in doomed if not await process.is_ended(node)]
        assert not any(node in doomed for node in after if node is not None)


async def test_seq_order_is_commit_order_and_no_end_is_lost(
    two: tuple[Process, Process], rng: random.Random, rounds: Rounds, open_again: OpenAgain
) -> None:
    watcher = await Process.start(await open_again())
    await two[0].user()
    for n in rounds(quick=1, test=3, soak=100):
        nodes = [await two[0].session() for _ in range(30)]
        rng.shuffle(nodes)
        epoch, first = (await watcher.head()).place
        stop = asyncio.Event()

        async def watch(epoch: int = epoch, first: int = first, stop: asyncio.Event = stop) -> int:
            """Every look sees all batches up to the head's seq and none above: a gap would be an end overtaken."""
            looks = 0
            while not stop.is_set():
                rows = await watcher.db.read(SELECT_CHANGES(since=first, at_most=1_000_000))
                seen = sorted({row["at_seq"] for row in rows if row["at_seq"] is not None})
                assert seen == list(range(first + 1, rows[0]["seq"] + 1))
                assert rows[0]["epoch"] == epoch
                looks += 1
                await asyncio.sleep(0)
            return looks

        async def end_and_ask(i: int, node: Node) -> None:
            assert await two[i % 2].end(ByNode(node.id)) == 1
            # Acknowledged here: the other process must publish it from now on.
            assert await two[(i + 1) % 2].is_ended(node)

        watching = asyncio.create_task(watch())
        try:
            await asyncio.gather(*(end_and_ask(i, node) for i, node in enumerate(nodes)))
        finally:
            stop.set()
            looks = await watching
        print(f"round {n}: {len(nodes)} ends, {looks} looks")
        late = await Process.start(two[0].db)
        heads = [await process.head() for process in (*two, watcher, late)]
        assert {head.place for head in heads} == {(epoch, first + len(nodes))}
        assert all(head.lists == heads[0].lists for head in heads)
        assert all([await late.is_published_as_ended(node) for node in nodes])


# What follows holds one transaction still while another runs into it, so that the bad order happens each time.


async def waiters(watch: "asyncpg.Connection") -> int:
    """How many transactions of this database wait for a lock."""
    return int(
        await watch.fetchval(
            "SELECT count(DISTINCT a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database()"
        )
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(patience()):
        while not await condition():  # noqa: ASYNC110  # no event tells of another server's locks
            await asyncio.sleep(0.002)


async def survivor(
    two: tuple[Process, Process], database_url: str, start: EndStart, **given: object
) -> Node | None:
    """Open a node and hold its COMMIT back, end what it hangs from, let both go; the node if it is alive then."""

    def opened_slowly() -> Steps[Node | None]:
        node = yield from store.open_node(expires_at=LATER, now=NOW, **given)  # type: ignore[arg-type]  # a test's
        yield WAIT_FOR_TEST()
        return node

    watch = await asyncpg.connect(database_url)
    try:
        await watch.execute("SELECT pg_advisory_lock(7)")
        issuing = asyncio.create_task(two[0].db.run(opened_slowly))
        await until(lambda: _reached(waiters(watch), 1))
        ending = asyncio.create_task(two[1].end(start))
        await until(lambda: _reached(waiters(watch), 2, or_done=ending))
        await watch.execute("SELECT pg_advisory_unlock(7)")
        node = await issuing
        with_error = await asyncio.gather(ending, return_exceptions=True)
        assert not isinstance(with_error[0], AdmitError)
    finally:
        await watch.close()
    if node is None or not await two[0].is_live(node):
        assert node is None or await two[0].is_published_as_ended(node)
        return None
    return node


async def _reached(count: Awaitable[int], wanted: int, or_done: "asyncio.Task[int] | None" = None) -> bool:
    return await count >= wanted or (or_done is not None and or_done.done())


on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgres
@pytest.mark.threat("INF-race", off=LOCK_NODE)
@pytest.mark.threat("INF-race", off="admit.issuer.revocation.store.ends:end_trees")
async def test_a_grant_that_was_being_opened_does_not_survive_its_session(
    two: tuple[Process, Process], database_url: str
) -> None:
    await two[0].user()
    session = await two[0].session()
    given = {"kind": NodeKind.ONLINE, "parent_id": session.id, "user_id": "u_alice", "client_id": "app"}
    assert await survivor(two, database_url, ByNode(session.id), **given) is None


@on_postgres
@pytest.mark.threat("INF-race", off=HOLD_START)
@pytest.mark.threat("SES-6", off="admit.issuer.revocation.store.holders:share_user")
async def test_a_session_that_was_being_opened_does_not_survive_its_users_disabling(
    two: tuple[Process, Process], database_url: str
) -> None:
    await two[0].user()
    start = ByUser("u_alice", disable=True)
    assert await survivor(two, database_url, start, kind=NodeKind.SESSION, user_id="u_alice") is None


@on_postgres
@pytest.mark.threat("INF-race", off=HOLD_START)
@pytest.mark.threat("INF-race", off=SHARE_CLIENT)
async def test_a_grant_that_was_being_opened_does_not_survive_its_clients_end(
    two: tuple[Process, Process], database_url: str
) -> None:
    await two[0].user()
    session = await two[0].session()
    given = {"kind": NodeKind.ONLINE, "parent_id": session.id, "user_id": "u_alice", "client_id": "app"}
    assert await survivor(two, database_url, ByClient("app"), **given) is None


@on_postgres
async def test_a_family_that_is_being_opened_is_known_to_an_epoch_raise(
    two: tuple[Process, Process], database_url: str
) -> None:
    """It waits for who is opening: no live family gets its bit set, and none is overlooked."""

    def opened_slowly() -> Steps[Node | None]:
        node = yield from store.open_node(kind=NodeKind.SESSION, user_id="u_alice", expires_at=LATER, now=NOW)
        yield WAIT_FOR_TEST()
        return node

    await two[0].user()
    watch = await asyncpg.connect(database_url)
    try:
        await watch.execute("SELECT pg_advisory_lock(7)")
        issuing = asyncio.create_task(two[0].db.run(opened_slowly))
        await until(lambda: _reached(waiters(watch), 1))
        raising = asyncio.create_task(
            two[1].db.run(store.raise_epoch, two[1].lists, now=NOW, keep_older_families=True)
        )
        await until(lambda: _reached(waiters(watch), 2))
        await watch.execute("SELECT pg_advisory_unlock(7)")
        node = await issuing
        await raising
    finally:
        await watch.close()
    assert node is not None
    assert not await two[0].is_ended(node)
    assert not await two[1].is_published_as_ended(node)
