"""When a session is live."""

from datetime import timedelta

import pytest

from admit.errors import ConfigError
from admit.issuer.sessions import driver, rules
from admit.issuer.sessions.config import SessionConfig

IDLE = timedelta(hours=8)


@pytest.mark.parametrize(
    ("ended", "disabled", "expires", "live"),
    [
        (None, None, 101.0, True),
        (None, None, 100.0, False),
        (None, None, 99.0, False),
        (50.0, None, 101.0, False),
        (None, 50.0, 101.0, False),
        (200.0, None, 101.0, False),  # ended by a node whose clock is ahead
    ],
)
def test_a_session_is_live_until_something_ends_it(
    ended: float | None, disabled: float | None, expires: float, live: bool
) -> None:
    assert rules.is_live(ended_at=ended, disabled_at=disabled, expires_at=expires, now=100.0) is live


def test_it_ends_at_the_nearer_of_two_clocks() -> None:
    assert rules.expires_at(last_seen_at=0, absolute_expires_at=10**6, idle=IDLE) == 8 * 3600
    assert rules.expires_at(last_seen_at=0, absolute_expires_at=3600, idle=IDLE) == 3600


def test_use_is_noted_once_a_minute() -> None:
    every = timedelta(minutes=1)
    assert not rules.wants_touch(last_seen_at=0, now=59.9, every=every)
    assert rules.wants_touch(last_seen_at=0, now=60, every=every)


@pytest.mark.threat("SES-2", off="admit.issuer.sessions.driver:new_raw_id")
def test_ids_have_256_random_bits() -> None:
    ids = {driver.new_raw_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(raw) for raw in ids} == {32}
    assert len({raw[:4] for raw in ids}) > 990


def test_settings_that_cannot_work_are_refused() -> None:
    for values in (
        {"idle": timedelta(0)},
        {"idle": timedelta(days=31)},
        {"seen_every": timedelta(hours=8)},
        {"seen_every": timedelta(seconds=-1)},
    ):
        with pytest.raises(ConfigError):
            SessionConfig(**values)
