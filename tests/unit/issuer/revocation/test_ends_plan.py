"""How PostgreSQL carries out an end: by the keys of the few rows that it ends, however many families there are."""

from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from sqlalchemy import bindparam

from admit.issuer.revocation import ByNode, ByUser, ByUserSessions
from admit.issuer.revocation.store.ends import END_BY, _end_tree
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import Statement
from tests.fixtures.families import LATER, NOW
from tests.fixtures.storage import build_postgres

FAMILIES = 5_000
FILL = """
INSERT INTO node (id, kind, parent_id, user_id, created_at, expires_at)
SELECT 'n' || i, 'session', 'n' || (i - i % 2), 'u' || i % 500, $1, $2 FROM generate_series(1, $3) AS i
"""


@pytest.fixture(params=["never analysed", "analysed"])
async def connection(
    request: pytest.FixtureRequest, postgres_template: Callable[[str, Callable[[str], object]], str]
) -> AsyncIterator[asyncpg.Connection]:
    """A table of many families, as a new deployment has it and as an old one has it."""
    made = await asyncpg.connect(postgres_template("storage", build_postgres), server_settings={"jit": "off"})
    await made.execute("ALTER TABLE node SET (autovacuum_enabled = off)")
    await made.execute(FILL, NOW, LATER, FAMILIES)
    if request.param == "analysed":
        await made.execute("ANALYZE node")
    yield made
    await made.close()


async def reads_all(connection: asyncpg.Connection, statement: Statement, **params: object) -> bool:
    """Whether the plan reads the table from its beginning to its end."""
    compiled = statement.compiled("postgresql")
    given = {"now": NOW, "reason": "logout", **params}
    lines = await connection.fetch(f"EXPLAIN {compiled.sql}", *compiled.positional(given))
    return any("Seq Scan on node" in line[0] for line in lines)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (ByNode, {"start": "n7"}),
        (ByUser, {"start": "u7"}),
        (ByUserSessions, {"start": "u7", "keep": "n7"}),
    ],
)
async def test_an_end_of_few_does_not_read_the_whole_table(
    connection: asyncpg.Connection, kind: type, params: dict[str, object]
) -> None:
    assert not await reads_all(connection, END_BY[kind], **params)


async def test_left_to_itself_it_would(connection: asyncpg.Connection) -> None:
    assert await reads_all(connection, _end_tree(node.c.id == bindparam("start"), few=False), start="n7")
