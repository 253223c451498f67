"""Times as people say them. `now` is given; nothing here reads a clock."""

from datetime import UTC, datetime
from math import ceil
from typing import Final

from admit.issuer.app.pages.catalogue import Text

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def ago(text: Text, at: float, now: float) -> str:
    """How long before `now` (seconds since the epoch) something was. Below two minutes, or ahead: now."""
    gone = now - at
    if gone < 2 * _MINUTE:
        return text("time.now")
    if gone < 2 * _HOUR:
        return text.counted("time.minutes", int(gone // _MINUTE))
    if gone < 2 * _DAY:
        return text.counted("time.hours", int(gone // _HOUR))
    return text.counted("time.days", int(gone // _DAY))


def lasting(text: Text, seconds: float) -> str:
    """A length of time in the largest unit that tells it."""
    if seconds >= 2 * _DAY:
        return text.counted("span.days", round(seconds / _DAY))
    if seconds >= 2 * _HOUR:
        return text.counted("span.hours", round(seconds / _HOUR))
    return text.counted("span.minutes", max(1, round(seconds / _MINUTE)))


def within(text: Text, seconds: float) -> str:
    """A bound that is kept: rounded up, in seconds below two minutes."""
    if seconds < 2 * _MINUTE:
        return text.counted("span.seconds", ceil(seconds))
    return text.counted("span.minutes", ceil(seconds / _MINUTE))


def machine(at: float) -> str:
    """The `datetime` attribute of a `time` element, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def date(text: Text, at: float) -> str:
    """A calendar day, in UTC."""
    day = datetime.fromtimestamp(at, UTC)
    return text("time.date", year=day.year, month=day.month, day=day.day, name=text(f"month.{day.month}"))
