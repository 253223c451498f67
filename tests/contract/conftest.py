"""What the tests of all integrations share: one application each."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.contract.running import Services


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    with asyncio.Runner() as runner:
        yield Services(runner.run)
