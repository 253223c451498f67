"""Settings of accounts."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsConfig:
    """Limits on guessing passwords and on making accounts. All budgets are counted before any password is hashed.

    `tries_per_account` in `tries_window`: wrong passwords for one email, whoever types them (default 10 in 15 min).
    `tries_per_network` in `tries_window`: passwords tried from one network, an IPv4 address or an IPv6 /64
    (default 100 in 15 min).
    `signups_per_network` in `signups_window`: accounts asked for from one network (default 50 in 1 h).
    `hash_threads`: passwords hashed at a time, each takes 19 MiB (default 2). `hash_queue`: how many more may wait
    before the answer is 503 (default 64).
    """

    tries_per_account: int = 10
    tries_per_network: int = 100
    tries_window: timedelta = timedelta(minutes=15)
    signups_per_network: int = 50
    signups_window: timedelta = timedelta(hours=1)
    hash_threads: int = 2
    hash_queue: int = 64

    def __post_init__(self) -> None:
        for name in ("tries_per_account", "tries_per_network", "signups_per_network", "hash_threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"accounts.{name} must be at least 1")
        if self.hash_queue < 0:
            raise ConfigError("accounts.hash_queue must not be negative")
        for name in ("tries_window", "signups_window"):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"accounts.{name} must be positive")
