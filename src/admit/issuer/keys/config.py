"""When keys change. Durations are timedelta."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from admit.errors import ConfigError
from admit.issuer.keys.records import Purpose

# Verifiers may serve from a key set of yesterday while the issuer cannot be reached.
MIN_AHEAD: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """Raises ConfigError where a token could outlive its published key, or meet a verifier without that key.

    `file` is the key file that seals what is secret in the database, or its JSON itself (from `ADMIT_KEYS`). Empty:
    `keys.json` in the issuer's data folder.
    `rotate_every`: how long a key signs (default 90 days). `algorithms`: one active key of each of these kinds.
    """

    file: str = field(default="", repr=False)
    rotate_every: timedelta = timedelta(days=90)
    publish_ahead: timedelta = timedelta(hours=24)  # a key is in /jwks this long before it signs
    jwks_max_age: timedelta = timedelta(minutes=5)  # Cache-Control of /jwks
    retire_after: timedelta = timedelta(hours=24)  # a key stays in /jwks this long after its last signature
    keep_public: timedelta = timedelta(
        days=30
    )  # then known, unpublished: the absolute life of a session (hints)
    longest_token: timedelta = timedelta(hours=1)  # no token signed with these keys lives longer
    algorithms: tuple[tuple[Purpose, str], ...] = (
        ("token", "ES256"),
        ("token", "RS256"),
        ("status", "ES256"),
    )

    def __post_init__(self) -> None:
        if (
            self.jwks_max_age <= timedelta(0)
            or self.longest_token <= timedelta(0)
            or self.keep_public < timedelta(0)
        ):
            raise ConfigError("keys: durations must be positive")
        if self.publish_ahead < max(MIN_AHEAD, 2 * self.jwks_max_age):
            raise ConfigError("keys.publish_ahead must be at least 24 h and twice keys.jwks_max_age")
        if self.rotate_every <= self.publish_ahead:
            raise ConfigError("keys.rotate_every must be longer than keys.publish_ahead")
        if self.retire_after < self.longest_token + 2 * self.jwks_max_age:
            raise ConfigError(
                "keys.retire_after must be longer than any token lives: raise it, or shorten the tokens"
            )
        if not self.algorithms or len(set(self.algorithms)) != len(self.algorithms):
            raise ConfigError("keys.algorithms must name each kind of key once")
