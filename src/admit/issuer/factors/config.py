"""Settings of second factors."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorsConfig:
    """How long the steps may take, and how often a code may be guessed. Guesses are counted before a code is looked at.

    `sign_in_lifetime`: between the password and the code (default 10 min, at most 1 h). `enrolment_lifetime`: between
    the QR code and the first code of the new app (default 15 min, at most 1 h). `tries_per_sign_in`: wrong codes in one
    sign-in; then the password is asked again (default 5). `tries_per_account` in `tries_window`: wrong codes of one
    person over all sign-ins (default 10 in 1 h). Only who has typed the right password is counted, so that nobody else
    can use the tries up. `most_apps`: authenticator apps of one person (default 10).
    """

    sign_in_lifetime: timedelta = timedelta(minutes=10)
    enrolment_lifetime: timedelta = timedelta(minutes=15)
    tries_per_sign_in: int = 5
    tries_per_account: int = 10
    tries_window: timedelta = timedelta(hours=1)
    most_apps: int = 10

    def __post_init__(self) -> None:
        for name in ("sign_in_lifetime", "enrolment_lifetime"):
            if not timedelta(0) < getattr(self, name) <= timedelta(hours=1):
                raise ConfigError(f"factors.{name} must be positive, and 1h at most")
        for name in ("tries_per_sign_in", "tries_per_account", "most_apps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"factors.{name} must be at least 1")
        # Codes have 6 digits and three are good at a time: at 100 guesses an hour somebody who has the password gets
        # in within a year by luck alone, more often than not.
        if self.tries_per_account > 100 or self.tries_window < timedelta(minutes=10):
            raise ConfigError(
                "factors.tries_per_account must be at most 100, in a tries_window of at least 10m"
            )
