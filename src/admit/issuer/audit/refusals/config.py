"""Settings of the ring of refusals."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalsConfig:
    """How much is kept for `admit explain`. It is full of what strangers cause, so it has bounds in each direction.

    rows: how many refusals are kept; the oldest go first.
    kept: how long one is kept at most.
    queue: how many may wait to be written; of what comes beyond, within about a second, only the number is kept.
    """

    rows: int = 100_000
    kept: timedelta = timedelta(days=7)
    queue: int = 500

    def __post_init__(self) -> None:
        if not 0 <= self.rows <= 10_000_000:
            raise ConfigError("refusals.rows must be from 0, which keeps none, to 10000000")
        if self.kept <= timedelta(0):
            raise ConfigError("refusals.kept must be positive")
        if not 1 <= self.queue <= 100_000:
            raise ConfigError("refusals.queue must be from 1 to 100000")
