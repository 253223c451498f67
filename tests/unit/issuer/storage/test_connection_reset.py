"""A connection that goes back to the pool costs no round trip, and takes no open transaction along."""

import asyncpg
import pytest

from admit.issuer.storage.publishing import Connection

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("left_open", [True, False])
async def test_a_transaction_that_was_left_open_is_rolled_back_before_the_next_use(
    postgresql_url: str, left_open: bool
) -> None:
    async with asyncpg.create_pool(
        postgresql_url, min_size=1, max_size=1, connection_class=Connection
    ) as pool:
        async with pool.acquire() as connection:
            await connection.execute("CREATE TABLE kept (n INTEGER)")
            await connection.execute("BEGIN")
            await connection.execute("INSERT INTO kept VALUES (1)")
            if not left_open:
                await connection.execute("COMMIT")
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT count(*) FROM kept") == (0 if left_open else 1)
