"""Settings of codes, interactions and refresh tokens."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantsConfig:
    """Lifetimes and limits of grants.

    `code_lifetime`: how long a code may be redeemed (default 60 s, at most 10 min, RFC 6749 §4.1.2).
    `interaction_lifetime`: how long a person may take from the request to the answer (default 30 min).
    `waiting_per_network`: how many requests one network, an IPv4 address or an IPv6 /64, may begin within that time,
    each of which waits for a person (default 10,000). `pushed_lifetime`: how long the browser has to come with the
    reference of a request that its client pushed (default 60 s, RFC 9126 §2.2; at most 10 min). `pushed_per_network`:
    how many requests the clients of one network may push in a minute (default 1,000).
    `sign_in_lifetime`: how long a sign-in by JSON may take from its first step to its last (default 10 min, at most
    30 min).
    `refresh_idle`: how long an offline grant may go unused (default 14 d). `refresh_absolute`: how long it lives at
    all (default 90 d). `online_idle`: how long an online grant may go unused (default 8 h); its absolute end is its
    session's. `machine_absolute`: how long the tokens of a
    client that acts for itself share one grant, before the next begins (default 90 d). `refresh_grace`: how long
    after a rotation the token before it is still answered with the same successor (default 30 s, 0 s to 300 s).
    `live_grants`: per session and client, the oldest is ended beyond (default 10). `kept`: how long spent codes are
    remembered, so that their second use is noticed (default 1 h).
    `refuse_reused_challenges`: refuse a `code_challenge` or `nonce` that its client sent before, within `kept` (default
    false: it is told in the audit only, as `pkce_reused` or `nonce_reused`, since a person who goes back sends them
    twice, too).
    """

    code_lifetime: timedelta = timedelta(seconds=60)
    interaction_lifetime: timedelta = timedelta(minutes=30)
    refresh_idle: timedelta = timedelta(days=14)
    refresh_absolute: timedelta = timedelta(days=90)
    online_idle: timedelta = timedelta(hours=8)
    machine_absolute: timedelta = timedelta(days=90)
    refresh_grace: timedelta = timedelta(seconds=30)
    live_grants: int = 10
    waiting_per_network: int = 10_000
    pushed_lifetime: timedelta = timedelta(seconds=60)
    pushed_per_network: int = 1_000
    sign_in_lifetime: timedelta = timedelta(minutes=10)
    kept: timedelta = timedelta(hours=1)
    refuse_reused_challenges: bool = False

    def __post_init__(self) -> None:
        for name in (
            "code_lifetime",
            "pushed_lifetime",
            "interaction_lifetime",
            "sign_in_lifetime",
            "refresh_idle",
            "refresh_absolute",
            "online_idle",
            "machine_absolute",
        ):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"grants.{name} must be positive")
        if self.code_lifetime > timedelta(minutes=10):
            raise ConfigError("grants.code_lifetime must be at most 10m")
        if self.pushed_lifetime > timedelta(minutes=10):
            raise ConfigError("grants.pushed_lifetime must be at most 10m")
        if self.sign_in_lifetime > timedelta(minutes=30):
            raise ConfigError("grants.sign_in_lifetime must be at most 30m")
        if not timedelta(0) <= self.refresh_grace <= timedelta(seconds=300):
            raise ConfigError("grants.refresh_grace must lie between 0s and 300s")
        if self.refresh_idle > self.refresh_absolute:
            raise ConfigError("grants.refresh_idle must not be longer than grants.refresh_absolute")
        for name in ("live_grants", "waiting_per_network", "pushed_per_network"):
            if getattr(self, name) < 1:
                raise ConfigError(f"grants.{name} must be at least 1")
        if not self.code_lifetime <= self.kept <= timedelta(hours=1):
            raise ConfigError("grants.kept must lie between grants.code_lifetime and 1h")
