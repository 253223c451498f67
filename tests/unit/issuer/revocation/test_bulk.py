"""A whole client's families at once: one step, one transaction, in bounded memory, and nobody's turn is lost."""

import asyncio
import resource
from collections.abc import Awaitable, Callable

from sqlalchemy import bindparam, func, insert, literal, select
from sqlalchemy.sql.base import Executable

from admit.issuer.revocation import ByClient, store
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import LONG, DialectName, Statement, Steps
from tests.fixtures.families import LATER, NOW, Process
from tests.unit.issuer.revocation.event_reader import read

Another = Callable[[], Awaitable[Process]]
_BESIDE = 500  # families of another client, which stay


def _fill(dialect: DialectName) -> Executable:
    number = bindparam("how_many")
    if dialect == "postgresql":
        counted = func.generate_series(1, number).column_valued("i")
        source = select(counted)
    else:
        steps = select(literal(1).label("i")).cte("steps", recursive=True)
        steps = steps.union_all(select(steps.c.i + 1).where(steps.c.i < number))
        counted, source = steps.c.i, select(steps.c.i)
    name = bindparam("client") + "-" + func.cast(counted, node.c.id.type)
    rows = source.with_only_columns(
        name, literal("machine"), bindparam("client"), literal(NOW), literal(LATER)
    )
    columns = [node.c.id, node.c.kind, node.c.client_id, node.c.created_at, node.c.expires_at]
    return insert(node).from_select(columns, rows)


FILL = Statement(_fill)


def fill(client: str, number: int) -> Steps[None]:
    yield LONG
    yield FILL(client=client, how_many=number)


async def longest_wait(done: asyncio.Event) -> float:
    """The longest that anybody else of this process had to wait for its turn, in seconds."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while not done.is_set():
        before = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - before)
    return longest


async def test_a_million_families_end_at_once(
    process: Process, another: Another, rounds: Callable[..., range]
) -> None:
    number = len(rounds(quick=5_000, test=10_000, soak=1_000_000))
    await process.db.run(fill, "other", _BESIDE)
    await process.db.run(fill, "app", number)
    await process.lists.ensure(process.db, NOW)
    before, other = await process.head(), await another()
    await other.state()
    subscription = await other.service.subscribe(None)
    await subscription.next()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = asyncio.Event()
    waiting = asyncio.ensure_future(longest_wait(done))
    assert await process.end(ByClient("app")) == number
    state = await other.state()
    done.set()
    assert state.place == (before.epoch, before.seq + 1)
    assert sum(int.from_bytes(bits.bitmap, "little").bit_count() for bits in state.lists.values()) == number
    assert state.lists == (await process.state()).lists
    told = read(await subscription.next() or b"")
    assert [(event.kind, event.id) for event in told] == [("lists", f"{before.epoch}.{before.seq + 1}")]
    cold = await another()
    assert (await cold.state()).lists == state.lists
    assert await process.end(ByClient("other")) == _BESIDE
    assert await waiting < 3
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) >> 10 < 400, "MiB"


async def test_raising_the_epoch_over_many_families_is_one_mark_a_list(
    process: Process, rounds: Callable[..., range]
) -> None:
    number = len(rounds(quick=5_000, test=10_000, soak=1_000_000))
    await process.db.run(fill, "app", number)
    await process.lists.ensure(process.db, NOW)
    await process.db.run(store.raise_epoch, process.lists, now=NOW)
    state = await process.state()
    assert all(state.is_ended(process.lists.ref(idx)) for idx in range(1, number + 1, number // 97))
    alive = await process.db.one(
        Statement(select(func.count().label("n")).select_from(node).where(node.c.ended_at.is_(None)))()
    )
    assert alive is not None
    assert alive["n"] == 0
