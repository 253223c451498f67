"""Ending families: what goes, what stays, and that every end is seen."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import select

from admit.errors import ConflictError
from admit.issuer.audit import AuditEvent, record
from admit.issuer.audit.store import audit
from admit.issuer.revocation import (
    ByClient,
    ByNode,
    BySession,
    ByUser,
    ByUserSessions,
    Node,
    NodeKind,
    rules,
    store,
)
from admit.issuer.storage import Bound, Database, Publish, Row, Statement, Steps, Unless
from tests.fixtures.families import ISSUER, NOW, Process

Another = Callable[[], Awaitable[Process]]


async def family(process: Process, user_id: str) -> dict[str, Node]:
    """A session with a grant and what was derived from it, and an offline grant."""
    await process.user(user_id)
    session = await process.session(user_id)
    online = await process.grant(session)
    derived = await process.grant(online, "other", NodeKind.DERIVED)
    offline = await process.open(NodeKind.OFFLINE, user_id=user_id, client_id="app")
    assert offline is not None
    return {"session": session, "online": online, "derived": derived, "offline": offline}


async def live(process: Process, nodes: dict[str, Node]) -> set[str]:
    """Who is alive; bit and row must agree."""
    alive = {name for name, node in nodes.items() if await process.is_live(node)}
    assert alive == {name for name, node in nodes.items() if not await process.is_ended(node)}
    assert alive == {name for name, node in nodes.items() if not await process.is_published_as_ended(node)}
    return alive


async def test_ending_a_session_ends_what_hangs_from_it_and_nothing_else(process: Process) -> None:
    alice, bob = await family(process, "u_alice"), await family(process, "u_bob")
    assert await process.end(ByNode(alice["session"].id)) == 3
    assert await live(process, alice) == {"offline"}
    assert await live(process, bob) == set(bob)


async def test_ending_a_grant_leaves_its_session(process: Process) -> None:
    alice = await family(process, "u_alice")
    assert await process.end(ByNode(alice["online"].id)) == 2
    assert await live(process, alice) == {"session", "offline"}


async def test_ending_by_user_ends_all_of_the_users_families(process: Process) -> None:
    alice, bob = await family(process, "u_alice"), await family(process, "u_bob")
    assert await process.end(ByUser("u_alice")) == 4
    assert await live(process, alice) == set()
    assert await live(process, bob) == set(bob)
    assert await process.open(user_id="u_alice") is not None


async def test_ending_a_users_sessions_leaves_offline_grants_and_the_one_that_is_kept(
    process: Process,
) -> None:
    alice, bob = await family(process, "u_alice"), await family(process, "u_bob")
    here = await process.session("u_alice")
    under = await process.grant(here)
    assert await process.end(ByUserSessions("u_alice", keep=here.id)) == 3
    assert await live(process, alice | {"here": here, "under": under}) == {"offline", "here", "under"}
    epoch, seq = (await process.head()).place
    assert await process.end(ByUserSessions("u_alice")) == 2
    assert (await process.head()).place == (epoch, seq + 1)
    assert await live(process, alice | {"here": here, "under": under}) == {"offline"}
    assert await live(process, bob) == set(bob)
    assert await process.end(ByUserSessions("u_alice")) == 0
    assert await process.open(user_id="u_alice") is not None


async def test_disabling_a_user_ends_everything_and_lets_nothing_begin(process: Process) -> None:
    alice = await family(process, "u_alice")
    assert await process.end(ByUser("u_alice", disable=True)) == 4
    assert await live(process, alice) == set()
    assert await process.open(user_id="u_alice") is None


async def test_ending_by_client_ends_its_grants_of_every_user_and_what_came_from_them(
    process: Process,
) -> None:
    alice, bob = await family(process, "u_alice"), await family(process, "u_bob")
    assert await process.end(ByClient("app")) == 6
    assert await live(process, alice) == {"session"}
    assert await live(process, bob) == {"session"}


async def test_ending_again_ends_nothing_and_moves_nothing(process: Process) -> None:
    alice = await family(process, "u_alice")
    await process.end(ByNode(alice["session"].id))
    before = (await process.head()).place
    assert await process.end(ByNode(alice["session"].id)) == 0
    assert await process.end(ByNode("no-such-node")) == 0
    assert (await process.head()).place == before


async def test_a_bulk_end_is_one_step_of_seq(process: Process) -> None:
    await process.user()
    nodes = {str(n): await process.session() for n in range(300)}
    epoch, seq = (await process.head()).place
    assert await process.end(ByUser("u_alice")) == 300
    assert (await process.head()).place == (epoch, seq + 1)
    assert {name for name, node in nodes.items() if not await process.is_ended(node)} == set()


async def test_an_end_whose_transaction_fails_ends_nothing(process: Process) -> None:
    alice = await family(process, "u_alice")
    before = (await process.head()).place

    def end_and_fail() -> Steps[None]:
        yield from store.end(process.lists, ByUser("u_alice"), reason="logout", now=NOW)
        raise ConflictError("the logout's own row is refused")

    with pytest.raises(ConflictError):
        await process.db.run(end_and_fail)
    assert await live(process, alice) == set(alice)
    assert (await process.head()).place == before


async def test_two_ends_in_one_transaction_are_one_step(process: Process) -> None:
    alice, bob = await family(process, "u_alice"), await family(process, "u_bob")
    epoch, seq = (await process.head()).place

    def both() -> Steps[int]:
        first = yield from store.end(process.lists, ByUser("u_alice"), reason="logout", now=NOW)
        second = yield from store.end(process.lists, ByUser("u_bob"), reason="logout", now=NOW)
        return first + second

    assert await process.db.run(both) == 8
    assert (await process.head()).place == (epoch, seq + 1)
    assert await live(process, alice) | await live(process, bob) == set()


async def test_a_process_that_knows_no_list_yet_still_sets_the_bit(
    process: Process, another: Another
) -> None:
    """As a command line that ends something does, without having read any list."""
    alice = await family(process, "u_alice")
    other = await another()
    other.lists._permutations.clear()
    assert await other.end(ByUser("u_alice")) == 4
    assert await live(process, alice) == set()


@pytest.mark.threat("O-3", off="admit.issuer.revocation.reading:bits_of")
async def test_what_was_ended_stays_ended_after_a_restart(
    db: Database, open_again: Callable[[], Awaitable[Database]]
) -> None:
    first = await Process.start(db)
    alice, bob = await family(first, "u_alice"), await family(first, "u_bob")
    await first.end(ByUser("u_alice", disable=True))
    before = await first.head()
    await db.close()

    second = await Process.start(await open_again())
    assert await live(second, alice) == set()
    assert await live(second, bob) == set(bob)
    assert await second.open(user_id="u_alice") is None
    assert (await second.head()).place == before.place
    assert (await second.head()).lists == before.lists


@pytest.mark.threat("O-3", off="admit.issuer.revocation.store.ends:hold_start")
async def test_a_disabled_user_stays_disabled_after_a_restart(
    db: Database, open_again: Callable[[], Awaitable[Database]]
) -> None:
    first = await Process.start(db)
    await family(first, "u_alice")
    await first.end(ByUser("u_alice", disable=True))
    await db.close()
    second = await Process.start(await open_again())
    assert await second.open(user_id="u_alice") is None
    assert second.service.uris == []
    await second.head()
    assert second.service.uris == [f"{ISSUER}/status/0", f"{ISSUER}/status/1"]


def told(ended: int) -> Bound:
    """The audit record of an end of so many."""
    return record(AuditEvent.LOGOUT, now=NOW, detail={"ended": ended})


async def test_an_end_that_is_told_is_told_once_and_one_that_ends_nothing_is_not(process: Process) -> None:
    alice = await family(process, "u_alice")
    for _ in range(2):
        await process.db.run(
            store.end, process.lists, ByNode(alice["session"].id), reason="logout", now=NOW, told=told
        )
    rows = await process.db.read(Statement(select(audit))())
    assert [(row["event"], row["detail"]) for row in rows] == [("logout", '{"ended":3}')]
    assert await live(process, alice) == {"offline"}


async def test_a_session_is_ended_as_its_users_only(process: Process) -> None:
    alice = await family(process, "u_alice")
    assert await process.end(BySession(alice["session"].id, "u_bob")) == 0
    assert await process.end(BySession(alice["online"].id, "u_alice")) == 0, "no session"
    assert await live(process, alice) == set(alice)
    assert await process.end(BySession(alice["session"].id, "u_alice")) == 3
    assert await live(process, alice) == {"offline"}


async def test_what_was_opened_while_its_session_ended_is_written_down_with_the_rest(
    process: Process,
) -> None:
    """The steps of an end, answered by hand: its second round finds a grant that somebody was just opening."""
    steps = store.end(process.lists, BySession("s", "u_alice"), reason="logout", now=NOW, told=told)
    next(steps)
    found: list[Row] = [{"idx": 4}]
    late: list[Row] = [{"idx": 9}]
    nobody: list[Row] = []
    refs = [process.lists.ref(idx) for idx in (4, 9)]
    bits = [rules.bit_of(ref) for ref in refs]
    first = steps.send(found)
    second = steps.send(late)
    for step, written in ((first, bits[:1]), (second, bits)):
        assert isinstance(step, Unless)
        assert step.folded is not None
        assert [step.folded.params["bits"], step.then[0].params["bits"]] == [written, written]
        assert step.folded.params["detail"] == step.then[1].params["detail"] == f'{{"ended":{len(written)}}}'
    assert isinstance(steps.send(nobody), Publish)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_log_out_on_postgresql_is_four_messages(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    kinds = {"fetch": asyncpg.Connection.fetch, "execute": asyncpg.Connection.execute}

    def counting(kind: str) -> Callable[..., Awaitable[object]]:
        async def count(self: asyncpg.Connection, sql: str, *args: object, **named: object) -> object:
            sent.append(sql.split(maxsplit=1)[0])
            return await kinds[kind](self, sql, *args, **named)

        return count

    await process.user()
    first, second = await process.session(), await process.session()
    await process.end(ByNode(first.id))  # what a connection prepares once
    for kind in kinds:
        monkeypatch.setattr(asyncpg.Connection, kind, counting(kind))
    await process.end(BySession(second.id, "u_alice"))
    assert sent == ["BEGIN", "WITH", "WITH", "EXECUTE"]
