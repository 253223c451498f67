"""One process on a fresh database, and more of them on the same."""

from collections.abc import Awaitable, Callable

import pytest

from admit.issuer.storage import Database
from tests.fixtures.families import Process


@pytest.fixture
async def process(db: Database) -> Process:
    return await Process.start(db)


@pytest.fixture
def another(open_again: Callable[[], Awaitable[Database]]) -> Callable[[], Awaitable[Process]]:
    async def start() -> Process:
        return await Process.start(await open_again())

    return start
