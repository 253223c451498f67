"""Settings of accounts."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from admit.errors import ConfigError


class SecondFactor(StrEnum):
    """Who has to have a second factor. Whoever has one is asked for it in any case."""

    OPTIONAL = "optional"
    OPERATORS = "operators"
    """Those with the role `admit:admin`."""
    REQUIRED = "required"
    """Everybody: who has none adds one at sign-in, before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsConfig:
    """Limits on guessing passwords and on making accounts. All budgets are counted before any password is hashed.

    `tries_per_account` in `tries_window`: wrong passwords for one email by all strangers together, and by each device
    that the account knows (default 10 in 15 min, that come back one after another).
    `tries_per_day`: wrong passwords for one email, counted in the same way, in a day (default 100; never fewer than
    `tries_per_account`).
    `tries_per_network` in `tries_window`: wrong passwords from one network, an IPv4 address or an IPv6 /64
    (default 100 in 15 min).
    `tries_per_prefix` in `tries_window`: wrong passwords from one IPv6 /48 (default 1,000; never fewer than
    `tries_per_network`).
    `failures_before_slow` in `tries_window`: wrong passwords of strangers in all; from there each counts as more than
    one for its network, 20 at twice as many (default 500). Known devices never notice.
    `devices_per_account`: browsers that an account knows (default 10).
    `device_life`: how long an account knows a browser that nobody signs in with (default 180 d).
    `signups_per_network` in `signups_window`: accounts asked for from one network (default 50 in 1 h).
    `second_factor`: who has to have one: `optional` (nobody, the default), `operators` or `required` (everybody).
    `require_verified_email`: nobody signs in whose address is not proven (default false; needs `mail.url`).
    `verify_link`: how long a link lives that proves an address (default 24 h).
    `reset_link`: how long one lives that sets a new password (default 15 min, and no more).
    `resets_per_network` in `tries_window`: links for a new password asked for from one network (default 10 in 15 min).
    `hash_threads`: passwords hashed at a time, each takes `hash_memory` (default 2).
    `hash_queue`: how many more may wait before the answer is 503 (default 64).
    `hash_patience`: how long one may wait before the answer is 503 (default 10 s).
    `hash_memory`: KiB that Argon2id takes for a new hash (default 19456); older hashes are made anew at sign-in.
    `hash_passes`: passes of Argon2id (default 2). Both together are at least one of OWASP's settings.
    `recheck`: for how long what an application says of one of its accounts is believed, where it keeps them
    (default 30 s; 0 s asks at each look-up, and never more than 5 min).
    `answer_within`: how long the application may take for an answer before it is 503 (default 5 s).
    `pepper`: the key file's key goes into each password, so that a stolen database alone is no help in guessing
    (default false: without the key file no password is right any more). Hashes are made anew at sign-in.
    """

    second_factor: SecondFactor = SecondFactor.OPTIONAL
    require_verified_email: bool = False
    verify_link: timedelta = timedelta(hours=24)
    reset_link: timedelta = timedelta(minutes=15)
    resets_per_network: int = 10
    tries_per_account: int = 10
    tries_per_day: int = 100
    tries_per_network: int = 100
    tries_per_prefix: int = 1_000
    failures_before_slow: int = 500
    tries_window: timedelta = timedelta(minutes=15)
    devices_per_account: int = 10
    device_life: timedelta = timedelta(days=180)
    signups_per_network: int = 50
    signups_window: timedelta = timedelta(hours=1)
    hash_threads: int = 2
    hash_queue: int = 64
    hash_patience: timedelta = timedelta(seconds=10)
    hash_memory: int = 19_456
    hash_passes: int = 2
    pepper: bool = False
    recheck: timedelta = timedelta(seconds=30)
    answer_within: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        if not isinstance(self.second_factor, SecondFactor):  # a bare text would compare as none of them
            raise ConfigError("accounts.second_factor: want optional, operators or required")
        counts = ("tries_per_account", "tries_per_network", "signups_per_network", "resets_per_network")
        more = (
            "tries_per_day",
            "tries_per_prefix",
            "failures_before_slow",
            "devices_per_account",
            "hash_threads",
        )
        for name in (*counts, *more):
            if getattr(self, name) < 1:
                raise ConfigError(f"accounts.{name} must be at least 1")
        if self.hash_queue < 0:
            raise ConfigError("accounts.hash_queue must not be negative")
        if self.reset_link > timedelta(minutes=15):
            raise ConfigError(
                "accounts.reset_link must not be longer than 15m: whoever has it has the account"
            )
        if not timedelta(0) <= self.recheck <= timedelta(minutes=5):
            raise ConfigError(
                "accounts.recheck must be from 0s to 5m: who is disabled is let in for that long"
            )
        spans = (
            "answer_within",
            "tries_window",
            "signups_window",
            "verify_link",
            "reset_link",
            "device_life",
            "hash_patience",
        )
        for name in spans:
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"accounts.{name} must be positive")
        check_hash(memory=self.hash_memory, passes=self.hash_passes)


OWASP: Final = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
"""Its recommended least settings of Argon2id, KiB and passes, one lane each."""
MOST_MEMORY: Final = 1 << 20  # KiB; a mistaken unit would otherwise end the process at the first sign-in
MOST_PASSES: Final = 64


def check_hash(*, memory: int, passes: int) -> None:
    """Raises: ConfigError unless the parameters are at least one of OWASP's settings."""
    if not any(memory >= least and passes >= count for least, count in OWASP):
        settings = ", ".join(f"{least} with {count}" for least, count in OWASP)
        raise ConfigError(f"accounts.hash_memory and hash_passes: want at least one of {settings}")
    if memory > MOST_MEMORY or passes > MOST_PASSES:
        raise ConfigError(
            f"accounts.hash_memory is at most {MOST_MEMORY} KiB, hash_passes at most {MOST_PASSES}"
        )
