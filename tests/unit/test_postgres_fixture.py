"""The PostgreSQL fixture gives each test a database of its own."""

import asyncio
import signal
from collections.abc import Callable

import asyncpg
import pytest

from tests.fixtures.postgres import PostgresServer


async def _fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def test_two_copies_of_a_template_do_not_share_rows(
    postgres_template: Callable[[str, Callable[[str], object]], str],
) -> None:
    def build(dsn: str) -> None:
        asyncio.run(_fetch(dsn, "CREATE TABLE thing (id int)"))

    first, second = postgres_template("things", build), postgres_template("things", build)
    asyncio.run(_fetch(first, "INSERT INTO thing VALUES (1)"))
    assert asyncio.run(_fetch(first, "SELECT count(*) FROM thing")) == 1
    assert asyncio.run(_fetch(second, "SELECT count(*) FROM thing")) == 0


async def test_a_database_can_be_made_while_an_event_loop_runs(postgres_server: PostgresServer) -> None:
    name = postgres_server.create_database()
    assert await _fetch(postgres_server.dsn(name), "SHOW synchronous_commit") == "on"
    postgres_server.drop_database(name)


@pytest.mark.soak
def test_a_server_killed_without_notice_keeps_what_it_acknowledged(
    postgres_factory: Callable[..., PostgresServer],
) -> None:
    server = postgres_factory()
    server.execute("CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    server.stop(signal.SIGKILL)
    server.start()
    assert asyncio.run(_fetch(server.dsn(), "SELECT id FROM kept")) == 7
