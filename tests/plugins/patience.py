"""How long a test waits, so that no test judges the machine it runs on.

A shared machine may stand still for seconds. A test that waits for a fact waits for `patience()`, which only one that
never comes uses up; one that measures a promised number of seconds allows `slack()` beyond it, which is narrow in the
soak, where the promise is measured, and wide elsewhere; one that asserts that work is not done counts processor time
with `least_cpu`, which a collection of garbage in between does not change.
"""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.plugins.environment import given

_PATIENCE = 30.0
_HASTY = 3.0
"""Seconds with the defences out, where the fact is expected not to come."""

_hasty = False


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    global _hasty
    _hasty = config.getoption("--defences-off", default=False)


def patience() -> float:
    """Seconds after which what is waited for will not come any more."""
    return _HASTY if _hasty else _PATIENCE


def slack() -> float:
    """Seconds that a busy machine may add to a bound that Admit promises."""
    return 1.0 if given("ADMIT_TIER") == "soak" else 8.0


def wait_until(met: Callable[[], object], what: str = "what is waited for", pause: float = 0.005) -> float:
    """Wait for a fact that another thread or process makes true; the seconds that took."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < patience(), f"{what} did not come"
        time.sleep(pause)
    return time.monotonic() - began


async def until(met: Callable[[], object], what: str = "what is waited for", pause: float = 0.005) -> float:
    """Like `wait_until`, while the loop goes on."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < patience(), f"{what} did not come"
        await asyncio.sleep(pause)
    return time.monotonic() - began


def least_cpu(work: Callable[[], object], tries: int = 5) -> float:
    """Seconds of the processor that `work` takes, of the try that was disturbed least."""
    took: list[float] = []
    for _ in range(tries):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)
