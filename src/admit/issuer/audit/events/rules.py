"""Which records are events, and how far back one is looked for. Pure."""

from typing import Final

from admit.issuer.audit.records import AuditEvent

CHATTY: Final = frozenset(
    {
        AuditEvent.CODE_ISSUED,
        AuditEvent.TOKEN_ISSUED,
        AuditEvent.TOKEN_REFRESHED,
        AuditEvent.TOKEN_REFUSED,
        AuditEvent.CLIENT_REFUSED,
        AuditEvent.THROTTLED,
    }
)
"""Written all day, and at strangers' will: they are for the trail."""
TOLD: Final = tuple(sorted(event.value for event in AuditEvent if event not in CHATTY))

WINDOW: Final = 900.0
"""Seconds. A record bears the time at which its request came, so that it may appear a while after younger ones: as long
as a request may last, and clocks may differ, many times over."""
RECENT: Final = 60.0
"""Seconds that are looked through each time; the whole window now and then."""
FIRST_AGAIN: Final = 5.0
LAST_AGAIN: Final = 900.0
GIVEN_UP_AFTER: Final = 86_400.0
"""Seconds for which an event is told again and again to who does not take it."""


def again_after(failures: int) -> float:
    """Seconds after which an event that was not taken so often is told again: ever longer, up to a quarter of an hour,
    so that some that nobody ever takes leave room for all others.
    """
    return min(FIRST_AGAIN * 2.0 ** min(failures - 1, 20), LAST_AGAIN)


def settled_until(now: float, oldest_untold: float | None) -> float:
    """Before which time everything was told, or given up."""
    settled = now - WINDOW
    if oldest_untold is not None and oldest_untold > now - GIVEN_UP_AFTER:
        settled = min(settled, oldest_untold - RECENT)
    return settled
