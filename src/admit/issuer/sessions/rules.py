"""When a session is live, whether its user proved who they are a short while ago, what is known of a browser. Pure."""

import hashlib
import unicodedata
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from admit.issuer.accounts.errors import PersonNameError
from admit.issuer.accounts.rules import ADMIN_ROLE, clean_name
from admit.issuer.sessions.agents import family
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.errors import SessionNameError
from admit.issuer.sessions.records import Limits
from admit.issuer.throttle.buckets import network

RAW_BYTES = 32
NAME_MAX_CHARS: Final = 60
KNOWN_FOR: Final = timedelta(days=90)
NEW_FOR: Final = timedelta(days=1)
CLOCKS_APART: Final = 30.0  # seconds that two nodes' clocks may differ


def hash_id(raw: bytes) -> bytes:
    """What is stored of a session's id: SHA-256 of its 32 bytes, enough for 256 random bits."""
    return hashlib.sha256(raw).digest()


def limits(config: SessionConfig) -> tuple[Limits, Limits]:
    """Everybody's, and those of who may operate, which are never longer."""
    everybody = Limits(config.idle, config.absolute)
    return everybody, Limits(
        min(config.idle, config.operator_idle), min(config.absolute, config.operator_absolute)
    )


def limits_of(roles: Collection[str], both: tuple[Limits, Limits]) -> Limits:
    """Those of a user with these roles. Asked at each look-up: whoever is given the role has its limits at once."""
    return both[1] if ADMIN_ROLE in roles else both[0]


def expires_at(*, last_seen_at: float, absolute_expires_at: float, idle: timedelta) -> float:
    """The nearer of the idle and the absolute end."""
    return min(last_seen_at + idle.total_seconds(), absolute_expires_at)


def is_live(*, ended_at: float | None, disabled_at: float | None, expires_at: float, now: float) -> bool:
    """A session lets in while nobody ended it, its user is not disabled, and neither clock has run out."""
    return ended_at is None and disabled_at is None and now < expires_at


def is_fresh(*, auth_time: float, now: float, within: timedelta) -> bool:
    """Whether the user proved who they are at most `within` ago. A time ahead of `now` proves nothing: a clock that was
    put back must not keep a session fresh.
    """
    return -CLOCKS_APART <= now - auth_time <= within.total_seconds()


def same_credentials(*, checked: int, current: int) -> bool:
    """Whether the credentials that were checked are still the user's: a hash may have waited in a queue while the
    password was changed, and the sessions that the old one had opened were ended. Both are credential versions.
    """
    return checked == current


def wants_touch(*, last_seen_at: float, now: float, every: timedelta) -> bool:
    """Whether this use is worth writing down."""
    return now - last_seen_at >= every.total_seconds()


def is_familiar(
    user_agent: str | None, ip: str | None, seen: Sequence[tuple[str, str]], *, account_age: float
) -> bool:
    """Whether one of the sign-ins `seen` (User-Agent and address) came from such a browser in this network. For who
    has no better sign than that; what has no name is never familiar. Nor is anything to an account that nobody signed
    in to for long; only to a new one the first is.
    """
    if not seen:
        return account_age < NEW_FOR.total_seconds()
    here = family(user_agent or "")
    return here != (None, None) and any(
        network(address) == network(ip) and family(agent) == here for agent, address in seen
    )


def clean_session_name(text: str | None) -> str | None:
    """What a user calls a session, in NFC without blanks around it; None for the name that it has by itself.

    Raises: SessionNameError when it is longer than 60 characters, or holds control or direction characters.
    """
    if text is None or not text.strip():
        return None
    try:
        name = clean_name(unicodedata.normalize("NFC", text))
    except PersonNameError:
        raise SessionNameError("unprintable or too long") from None
    if len(name) > NAME_MAX_CHARS:
        raise SessionNameError("too long")
    return name
