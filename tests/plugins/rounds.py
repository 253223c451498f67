"""How many rounds a randomised or racing test does, with which seed. ADMIT_TIER is quick, test (default) or soak.

`rounds(quick=1, test=5, soak=1000)` and `rng` note seed and rounds on the test; a failing one prints them. Repeat a
failure with ADMIT_SEED. Tests marked `soak` run in that tier only, those marked `slow` in all but quick.
"""

import random
import secrets
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers

from tests.plugins.environment import given

SYSTEM = Path(__file__).resolve().parents[1] / "system"
TIER = given("ADMIT_TIER") or "test"
_EXAMPLES = {"quick": 20, "test": 30, "soak": 5000}
_NEEDS_TIME = {
    "issuer",
    "furnished_sqlite",
    "chromium",
    "page",
    "postgres_server",
    "postgres_dsn",
    "postgres_template",
    "postgres_factory",
    "redis_url",
    "redis_factory",
}


def pytest_configure(config: pytest.Config) -> None:
    if TIER not in _EXAMPLES:
        raise pytest.UsageError("ADMIT_TIER is quick, test or soak")
    config.addinivalue_line("markers", "slow: left out of the quick tier")
    config.addinivalue_line("markers", "soak: runs in the soak tier only")
    phases = [
        hypothesis.Phase.explicit,
        hypothesis.Phase.reuse,
        hypothesis.Phase.generate,
        hypothesis.Phase.shrink,
    ]
    if config.getoption("--defences-off", default=False):
        phases = phases[:3]  # the failure is wanted; a small example of it is not
    hypothesis.settings.register_profile(
        "admit", max_examples=_EXAMPLES[TIER], deadline=None, print_blob=True, phases=phases, database=None
    )
    hypothesis.settings.load_profile("admit")
    if TIER != "soak" and hasattr(providers, "_get_local_constants"):
        # It would look through all of our source for numbers and texts to try: two seconds, in each worker.
        patch = pytest.MonkeyPatch()
        patch.setattr(providers, "_get_local_constants", lambda: providers._local_constants)
        config.add_cleanup(patch.undo)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _left_out(item: pytest.Item) -> bool:
    if item.get_closest_marker("soak"):
        return TIER != "soak"
    needs_time = item.path.is_relative_to(SYSTEM) or not _NEEDS_TIME.isdisjoint(
        getattr(item, "fixturenames", ())
    )
    # A fixture of two databases asks for the server by the name of its parameter, out of our sight.
    needs_time = needs_time or "postgresql" in getattr(getattr(item, "callspec", None), "params", {}).values()
    return TIER == "quick" and (needs_time or item.get_closest_marker("slow") is not None)


class Seeded(random.Random):
    """A generator that says what it was seeded with, for a summary."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seeded_with = seed


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> Seeded:
    """A seeded generator; the seed is printed with a failure."""
    seed = int(given("ADMIT_SEED") or secrets.randbits(32))
    print(f"ADMIT_SEED={seed} {request.node.nodeid}")
    return Seeded(seed)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[..., range]:
    """`for n in rounds(quick=1, test=5, soak=1000)`: as many rounds as this tier asks for."""

    def of_tier(*, test: int, quick: int = 1, soak: int | None = None) -> range:
        number = {"quick": quick, "test": test, "soak": soak or test}[TIER]
        print(f"rounds={number} tier={TIER} {request.node.nodeid}")
        return range(number)

    return of_tier
