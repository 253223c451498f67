"""What the tests of sessions share."""

from collections.abc import Callable

import pytest

from admit.issuer.sessions import copies
from admit.issuer.storage import Database
from tests.fixtures.people import Parts
from tests.fixtures.redis import RedisServer


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


@pytest.fixture
def server(redis_factory: Callable[[], RedisServer]) -> RedisServer:
    """A Redis of the test's own, which it may stop."""
    return redis_factory()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests is no Redis that hangs."""
    monkeypatch.setattr(copies, "_TIMEOUT", 10.0)
