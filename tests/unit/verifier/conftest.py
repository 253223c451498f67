"""What most tests of the verifier begin with."""

import pytest

from tests.fixtures.status_issuer import Clock, StatusIssuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> StatusIssuer:
    return StatusIssuer(clock=clock.walltime)
