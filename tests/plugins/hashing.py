"""Argon2id at a small price for tests: thousands sign in, and few are about what a hash costs.

`@pytest.mark.real_hash` keeps the product's own parameters. Programs that tests start have them always.
"""

from collections.abc import Iterator

import pytest
from argon2 import Parameters, Type

from admit.issuer.accounts import passwords

SMALL = Parameters(
    type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=64, parallelism=1
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_hash: hashes passwords as the product does")


@pytest.fixture(autouse=True)
def small_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In place: the object is the default of functions that were defined long ago."""
    if request.node.get_closest_marker("real_hash") is None:
        monkeypatch.setattr(passwords.ARGON2, "_parameters", SMALL)
    passwords.dummy_hash.cache_clear()
    yield
    passwords.dummy_hash.cache_clear()
