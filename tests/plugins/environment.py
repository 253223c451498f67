"""What the environment tells the tests (ADMIT_TIER and others), kept from the programs that they start; and where they
write their files.

Admit reads settings from `ADMIT_*` and refuses names that it does not know, so a child must not see these.
"""

import os
import shutil
from pathlib import Path

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

# Nothing here talks to anybody but this machine, by certificates of the tests' own. To read those of all the world's
# authorities takes 50 ms, for every issuer that sends mail and for every HTTP client.
TRUSTED = Path(__file__).with_name("nobody.pem")


def given(name: str) -> str:
    """What `name` said when the run began; empty where it said nothing."""
    return GIVEN.get(name, "")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the names out of the environment, but not before the workers, which read them too, were started."""
    os.environ["SSL_CERT_FILE"] = str(TRUSTED)
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", default=None):
        for name in GIVEN:
            os.environ.pop(name, None)


_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30  # bytes that must be free in memory; a container's default of 64 MB is too small


def pytest_addoption(parser: pytest.Parser) -> None:
    """Outside of the soak, files of tests are kept in memory: a quarter of the time went into waiting for a disk, of
    which these tests judge nothing, since what they kill is processes."""
    if (
        given("ADMIT_TIER") != "soak"
        and os.access(_MEMORY, os.W_OK)
        and shutil.disk_usage(_MEMORY).free > _ROOM
    ):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
