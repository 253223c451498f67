"""When a session is live. Pure."""

import hashlib
from datetime import timedelta

RAW_BYTES = 32


def hash_id(raw: bytes) -> bytes:
    """What is stored of a session's id: SHA-256 of its 32 bytes, enough for 256 random bits."""
    return hashlib.sha256(raw).digest()


def expires_at(*, last_seen_at: float, absolute_expires_at: float, idle: timedelta) -> float:
    """The nearer of the idle and the absolute end."""
    return min(last_seen_at + idle.total_seconds(), absolute_expires_at)


def is_live(*, ended_at: float | None, disabled_at: float | None, expires_at: float, now: float) -> bool:
    """A session lets in while nobody ended it, its user is not disabled, and neither clock has run out."""
    return ended_at is None and disabled_at is None and now < expires_at


def same_credentials(*, checked: int, current: int) -> bool:
    """Whether the credentials that were checked are still the user's: a hash may have waited in a queue while the
    password was changed, and the sessions that the old one had opened were ended. Both are credential versions.
    """
    return checked == current


def wants_touch(*, last_seen_at: float, now: float, every: timedelta) -> bool:
    """Whether this use is worth writing down."""
    return now - last_seen_at >= every.total_seconds()
