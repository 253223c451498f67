"""The answer of a throttle."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the try may go on; `retry_after` is zero when it may."""

    allowed: bool
    retry_after: timedelta
