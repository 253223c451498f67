"""The answer of a throttle."""

from dataclasses import dataclass
from datetime import timedelta

from admit.errors import ThrottledError


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the try may go on; `retry_after` is zero when it may."""

    allowed: bool
    retry_after: timedelta

    def or_throttled(self, what: str) -> None:
        """Raises: ThrottledError where it may not; `what` was counted, in the operator's words."""
        if not self.allowed:
            raise ThrottledError(what, retry_after=self.retry_after.total_seconds())
