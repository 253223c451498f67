"""What races share: how many are at it at once, and how a soak tells of it."""

from collections.abc import Callable, Sized

import pytest

from tests.plugins.rounds import TIER, Seeded
from tests.races.summary import DATABASES, Race, keep

Held = Callable[[str, str, Sized], None]


@pytest.fixture
def at_once() -> int:
    """How many use the one thing at the same time."""
    return 50 if TIER == "soak" else 20


@pytest.fixture
def held(request: pytest.FixtureRequest, rng: Seeded, at_once: int) -> Held:
    """`held("authorization code", "drivers", turns)`, when all of them are over: a soak writes it down."""

    def tell(what: str, between: str, turns: Sized) -> None:
        if TIER == "soak":
            told = getattr(getattr(request.node, "callspec", None), "params", {})
            database = next((name for name in told.values() if name in DATABASES), "postgresql")
            keep(Race(what, between, DATABASES[database]), len(turns), at_once, rng.seeded_with)

    return tell
