"""Ends and stores for tests of this folder."""

import os
import warnings
from typing import Any

from admit.verifier.ends.end import End
from tests.fixtures.status_issuer import NOW, Clock

ISSUER = "https://login.example.com"


def end(**changes: Any) -> End:
    """An end of Alice that lasts for a day."""
    members: dict[str, Any] = {"issuer": ISSUER, "before": NOW, "until": NOW + 86_400, "said_by": "e1"}
    if not {"subject", "session_id", "token_id"} & changes.keys():
        members["subject"] = "alice"
    return End(**{**members, **changes})


def clocks(clock: Clock) -> dict[str, Any]:
    """Keyword arguments that hand a test's clock to a store."""
    return {"wall": clock.walltime, "boottime": clock.boottime}


def fork() -> int:
    """As servers that preload do it. Newer Pythons warn of threads, which is what is looked at here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
