"""What the authorization server's endpoints are configured with."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthConfig:
    """Lifetimes of what the token endpoint mints.

    access_token_ttl: life of an access token; at most 10 minutes (default 5).
    id_token_ttl: life of an ID token (default 5 minutes).
    assertion_ttl: how far ahead the end of a client's signed assertion may lie (default 5 minutes, at most 1 hour);
        some libraries write an hour where nothing else is set.
    wrong_codes_per_minute: wrong codes, and wrong secrets, that may come in one client's name from one network
        before 429 (default 20).
    hook_within: how long an application's claims hook may take before nothing is given (default 2 seconds).
    """

    access_token_ttl: timedelta = timedelta(minutes=5)
    id_token_ttl: timedelta = timedelta(minutes=5)
    assertion_ttl: timedelta = timedelta(minutes=5)
    wrong_codes_per_minute: int = 20
    hook_within: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        if not timedelta(seconds=10) <= self.access_token_ttl <= timedelta(minutes=10):
            raise ConfigError("oauth.access_token_ttl must be from 10 s to 10 min")
        if not timedelta(seconds=10) <= self.id_token_ttl <= timedelta(hours=1):
            raise ConfigError("oauth.id_token_ttl must be from 10 s to 1 h")
        if not timedelta(seconds=30) <= self.assertion_ttl <= timedelta(hours=1):
            raise ConfigError("oauth.assertion_ttl must be from 30 s to 1 h")
        if not timedelta(0) < self.hook_within <= timedelta(seconds=30):
            raise ConfigError("oauth.hook_within must be from 1 ms to 30 s")
        if self.wrong_codes_per_minute < 1:
            raise ConfigError("oauth.wrong_codes_per_minute must be at least 1")
