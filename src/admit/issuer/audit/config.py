"""Settings of the audit trail."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """How long the audit trail remembers. What operators did, and what befell keys, clients and the epoch, stays for
    good; so does everything with `kept = "0s"`.

    kept: how long a record of what people and applications did is kept (default 400 d, so that a year can be looked
        back on). Never shorter than sessions and grants live, or what is in force could not be explained.
    """

    kept: timedelta = timedelta(days=400)

    def __post_init__(self) -> None:
        if self.kept < timedelta(0):
            raise ConfigError("audit.kept must not be negative; 0s keeps everything")
