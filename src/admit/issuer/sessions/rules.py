"""When a session is live. Pure."""

import hashlib
import re
from datetime import timedelta

RAW_BYTES = 32
_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def is_public_id(text: str) -> bool:
    """Whether this can be a session's public id; anything else is not worth asking the database about."""
    return _PUBLIC_ID.fullmatch(text) is not None


def hash_id(raw: bytes) -> bytes:
    """What is stored of a session's id: SHA-256 of its 32 bytes, enough for 256 random bits."""
    return hashlib.sha256(raw).digest()


def expires_at(*, last_seen_at: float, absolute_expires_at: float, idle: timedelta) -> float:
    """The nearer of the idle and the absolute end."""
    return min(last_seen_at + idle.total_seconds(), absolute_expires_at)


def is_live(*, ended_at: float | None, disabled_at: float | None, expires_at: float, now: float) -> bool:
    """A session lets in while nobody ended it, its user is not disabled, and neither clock has run out."""
    return ended_at is None and disabled_at is None and now < expires_at


def wants_touch(*, last_seen_at: float, now: float, every: timedelta) -> bool:
    """Whether this use is worth writing down."""
    return now - last_seen_at >= every.total_seconds()
