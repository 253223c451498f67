"""Settings of sessions."""

from dataclasses import dataclass, field
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """When sessions end. `idle`: without use (default 8 h). `absolute`: after sign-in, used or not (default 30 d).
    `operator_idle`, `operator_absolute`: the same for who may see and end what belongs to others, the role
    `admit:admin` (default 30 min and 12 h; never longer than everybody's).
    `seen_every`: how exactly use is noted (default 1 min), so that a look-up rarely writes. `fresh_for`: how long after
    typing the password people may change what guards their account, without typing it again (default 5 min).
    `per_user`: live sessions of one person; at the sign-in beyond, the one used longest ago ends (default 100).
    `names_per_hour`: how often one person may call sessions by names, each of which stands in the audit (default 60).

    cookie_domain: None (the default) keeps the session cookie with the issuer's own host, `same_host`. A domain that
    the issuer lies in, such as `example.com`, has browsers send it to every host below that as well, for APIs and pages
    on other hosts. That is weaker: whoever runs any of those hosts reads the cookie, and may set one of its name.

    redis: `redis://`, `rediss://` or `unix://` URL where copies of sessions are kept, so that a look-up asks no
    database; `redis+cluster://` and `rediss+cluster://` for a Redis Cluster. Empty: none. It may hold a password.
    redis_ca_file: PEM file of the authorities that vouch for that Redis. Empty: the system's.
    """

    idle: timedelta = timedelta(hours=8)
    absolute: timedelta = timedelta(days=30)
    operator_idle: timedelta = timedelta(minutes=30)
    operator_absolute: timedelta = timedelta(hours=12)
    seen_every: timedelta = timedelta(minutes=1)
    fresh_for: timedelta = timedelta(minutes=5)
    per_user: int = 100
    names_per_hour: int = 60
    cookie_domain: str | None = None
    redis: str = field(default="", repr=False)
    redis_ca_file: str = ""

    def __post_init__(self) -> None:
        if not timedelta(0) < self.idle <= self.absolute:
            raise ConfigError("sessions.idle must be positive and not longer than sessions.absolute")
        if not timedelta(0) < self.operator_idle <= self.operator_absolute:
            raise ConfigError(
                "sessions.operator_idle must be positive and not longer than sessions.operator_absolute"
            )
        if not timedelta(0) <= self.seen_every < min(self.idle, self.operator_idle):
            raise ConfigError(
                "sessions.seen_every must be shorter than sessions.idle and sessions.operator_idle"
            )
        if not timedelta(0) < self.fresh_for <= timedelta(hours=1):
            raise ConfigError("sessions.fresh_for must be positive, and 1h at most")
        if not 1 <= self.per_user <= 100_000:
            raise ConfigError("sessions.per_user must be from 1 to 100000")
        if self.names_per_hour < 1:
            raise ConfigError("sessions.names_per_hour must be at least 1")
