"""Settings of sessions."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """When sessions end. `idle`: without use (default 8 h). `absolute`: after sign-in, used or not (default 30 d).
    `seen_every`: how exactly use is noted (default 1 min), so that a look-up rarely writes.
    """

    idle: timedelta = timedelta(hours=8)
    absolute: timedelta = timedelta(days=30)
    seen_every: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if not timedelta(0) < self.idle <= self.absolute:
            raise ConfigError("sessions.idle must be positive and not longer than sessions.absolute")
        if not timedelta(0) <= self.seen_every < self.idle:
            raise ConfigError("sessions.seen_every must be shorter than sessions.idle")
