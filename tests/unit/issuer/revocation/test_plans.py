"""How PostgreSQL carries out ends and looks: by the keys of the few rows they are about, out of however many."""

from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from sqlalchemy import bindparam

from admit.issuer.revocation import ByNode, ByUser, ByUserSessions
from admit.issuer.revocation.store.ends import END_BY, _end_tree
from admit.issuer.revocation.store.lists import SELECT_CHANGES
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import Statement
from tests.fixtures.families import LATER, NOW
from tests.fixtures.storage import build_postgres

FAMILIES = 5_000
NODES = """
INSERT INTO node (id, kind, parent_id, user_id, created_at, expires_at)
SELECT 'n' || i, 'session', 'n' || (i - i % 2), 'u' || i % 500, $1, $2 FROM generate_series(1, $3) AS i
"""
CHANGES = "INSERT INTO status_change (tx, list, position) SELECT i / 2, 0, i FROM generate_series(2, $1) AS i"
BATCHES = """
INSERT INTO status_batch (epoch, seq, tx, at) SELECT h.epoch, h.seq + i, i, $1
FROM status_head AS h, generate_series(1, $2) AS i
"""
END = {"now": NOW, "reason": "logout"}


@pytest.fixture(params=["never analysed", "analysed"])
async def connection(
    request: pytest.FixtureRequest, postgres_template: Callable[[str, Callable[[str], object]], str]
) -> AsyncIterator[asyncpg.Connection]:
    """Tables of many families and ends, as a new deployment has them and as an old one has them."""
    made = await asyncpg.connect(postgres_template("storage", build_postgres), server_settings={"jit": "off"})
    for table in ("node", "status_change", "status_batch", "status_head"):
        await made.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await made.execute(NODES, NOW, LATER, FAMILIES)
    await made.execute(CHANGES, FAMILIES)
    await made.execute(BATCHES, NOW, FAMILIES // 2)
    await made.execute("UPDATE status_head SET seq = seq + $1", FAMILIES // 2)
    if request.param == "analysed":
        await made.execute("ANALYZE")
    yield made
    await made.close()


async def most_rows(connection: asyncpg.Connection, statement: Statement, **params: object) -> int:
    """The most rows that a part of the plan went through when the statement ran; the run is taken back."""
    compiled = statement.compiled("postgresql")
    transaction = connection.transaction()
    await transaction.start()
    lines = await connection.fetch(f"EXPLAIN (ANALYZE) {compiled.sql}", *compiled.positional(params))
    await transaction.rollback()
    actual = [line[0].partition("(actual ")[2] for line in lines]
    return max(int(part.partition("rows=")[2].split()[0]) for part in actual if part)


@pytest.mark.parametrize(
    ("kind", "params", "most"),
    [
        (ByNode, {"start": "n7"}, 2),
        (ByUser, {"start": "u7"}, 40),
        (ByUserSessions, {"start": "u7", "keep": "n7"}, 40),
    ],
)
async def test_an_end_goes_through_no_more_rows_than_it_ends(
    connection: asyncpg.Connection, kind: type, params: dict[str, object], most: int
) -> None:
    assert await most_rows(connection, END_BY[kind], **END, **params) <= most


async def test_an_end_that_is_left_to_the_planner_reads_the_whole_table(
    connection: asyncpg.Connection,
) -> None:
    statement = _end_tree(node.c.id == bindparam("start"), few=False)
    assert await most_rows(connection, statement, **END, start="n7") >= FAMILIES


async def test_a_look_goes_through_what_changed_and_not_through_the_log(
    connection: asyncpg.Connection,
) -> None:
    seq = await connection.fetchval("SELECT seq FROM status_head")
    assert await most_rows(connection, SELECT_CHANGES, since=seq - 10, at_most=100) <= 20
    assert await most_rows(connection, SELECT_CHANGES, since=0, at_most=100) >= FAMILIES - 2
