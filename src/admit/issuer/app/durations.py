"""Durations as files and flags write them: `90s`, `15m`, `8h`, `30d`."""

import re
from datetime import timedelta

from admit.errors import ConfigError

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FORM = re.compile(r"(\d{1,9})(ms|s|m|h|d)")


def parse_duration(text: str, *, name: str) -> timedelta:
    """The duration that `text` says; `name` is the setting, for the error.

    Raises:
        ConfigError: not a whole number with one unit of ms, s, m, h, d.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ConfigError(f"{name}: write a duration as 90s, 15m, 8h or 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def show_duration(value: timedelta) -> str:
    """The shortest spelling that `parse_duration` reads back."""
    milliseconds = value // timedelta(milliseconds=1)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
