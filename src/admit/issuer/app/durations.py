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
