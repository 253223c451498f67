"""What can be set about storage. Defaults suit one deployment of a few nodes."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """Bounds of waiting. Raises ConfigError where one cannot work."""

    pool_size: int = 10  # PostgreSQL connections of one process
    connect_timeout: timedelta = timedelta(seconds=5)  # to open a connection, and to get one from a full pool
    statement_timeout: timedelta = timedelta(seconds=5)  # PostgreSQL ends a statement after this
    long_timeout: timedelta = timedelta(minutes=10)  # the same, where a million families may end at once
    busy_timeout: timedelta = timedelta(seconds=5)  # SQLite waits this long for another process's write
    group_limit: int = 64  # SQLite: jobs that share one COMMIT

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "statement_timeout", "long_timeout", "busy_timeout"):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"storage.{name} must be positive")
        for name in ("pool_size", "group_limit"):
            if getattr(self, name) < 1:
                raise ConfigError(f"storage.{name} must be at least 1")
