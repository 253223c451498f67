"""What the environment tells the tests (ADMIT_TIER and others), kept from the programs that they start.

Admit reads settings from `ADMIT_*` and refuses names that it does not know, so a child must not see these.
"""

import os

import pytest

GIVEN = {
    name: value
    for name in (
        "ADMIT_TIER",
        "ADMIT_REQUIRE",
        "ADMIT_ROUNDS",
        "ADMIT_FAULT",
        "ADMIT_SEED",
        "ADMIT_POSTGRES_BIN",
        "ADMIT_CHROMIUM",
    )
    if (value := os.environ.get(name))
}


def given(name: str) -> str:
    """What `name` said when the run began; empty where it said nothing."""
    return GIVEN.get(name, "")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the names out of the environment, but not before the workers, which read them too, were started."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", default=None):
        for name in GIVEN:
            os.environ.pop(name, None)
