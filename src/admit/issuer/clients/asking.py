"""From which network the call under way comes, for what a client's id makes this issuer do."""

from contextvars import ContextVar
from typing import Final

FROM: Final[ContextVar[str | None]] = ContextVar("admit_asking_from", default=None)
"""The caller's address, set by whoever takes the call; None where nobody did, such as in a command."""
