"""What a verifier counts since its process started: for `health()`, for metrics, and for whoever wonders.

Counts are integers that only rise. Each `Following` has one writer at a time (the thread that asks, the thread of the
stream, each its own members), so those need no lock; refusals come from any thread and take one, off the hot path.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

OTHER = "other"
MAX_CODES = 64


@dataclass(slots=True)
class Following:
    """What following one issuer did. `octets` are those of answers' bodies and of the stream."""

    polls: int = 0
    polls_proved: int = 0
    polls_failed: dict[str, int] = field(default_factory=dict)
    keys_fetched: int = 0
    keys_failed: dict[str, int] = field(default_factory=dict)
    lists_fetched: int = 0
    lists_spared: int = 0
    octets: int = 0
    stream_opened: int = 0
    stream_failed: dict[str, int] = field(default_factory=dict)
    stream_events: int = 0
    stream_ends: int = 0
    stream_octets: int = 0
    state_saved: int = 0
    state_restored: int = 0


def note(counts: dict[str, int], code: str) -> None:
    """One more of a code. The codes are Admit's own, so there are few; a bound holds all the same."""
    if code not in counts and len(counts) >= MAX_CODES:
        code = OTHER
    counts[code] = counts.get(code, 0) + 1


class Counters:
    """What a verifier counts over all of its issuers: refusals, by the code of the error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refusals: dict[str, int] = {}

    def refused(self, code: str) -> None:
        """One more refusal with this code (`AdmitError.code`)."""
        with self._lock:
            note(self._refusals, code)

    @property
    def refusals(self) -> Mapping[str, int]:
        """Refusals since the start, by code; a copy."""
        with self._lock:
            return dict(self._refusals)

    def renew_lock(self) -> None:
        """For a forked child: the lock may have been held by a thread that does not exist there."""
        self._lock = threading.Lock()
