"""What every test may use. Fixtures and plugins live in `tests/fixtures` and `tests/plugins`."""

import pytest

pytest_plugins = [
    "tests.plugins.contract",
    "tests.plugins.environment",
    "tests.plugins.evidence",
    "tests.plugins.hashing",
    "tests.plugins.heap",
    "tests.plugins.loopback",
    "tests.plugins.patience",
    "tests.plugins.rounds",
    "tests.plugins.turns",
    "tests.fixtures.required",
    "tests.fixtures.postgres",
    "tests.fixtures.redis",
    "tests.fixtures.redis_cluster",
    "tests.fixtures.storage",
    "tests.fixtures.browser",
    "tests.fixtures.axe",
    "tests.fixtures.node",
    "tests.fixtures.issuer",
    "tests.fixtures.kept",
    "tests.fixtures.processes",
    "tests.fixtures.mail",
    "tests.fixtures.demo",
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests (`async def test_…`, anyio's plugin) run on asyncio."""
    return "asyncio"
