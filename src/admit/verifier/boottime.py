"""A clock that nobody can set and that also runs while the machine sleeps."""

import time
from collections.abc import Callable
from functools import partial

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)

# Bound once rather than wrapped: it is read at each request.
boottime: Callable[[], float] = time.monotonic if _CLOCK is None else partial(time.clock_gettime, _CLOCK)
"""Seconds since the machine started, sleep included (CLOCK_BOOTTIME).

Systems without that clock have a monotonic one that counts sleep too (macOS, Windows), and it is used there.
"""
