"""What was made while the tests were collected stays to the end: the collector of garbage need not go over it.

There are millions of such objects, in each worker.
"""

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """While modules are imported and tests are made of them, hardly anything becomes garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
