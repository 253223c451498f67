"""An event as a frozen value."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from admit.issuer.audit.rules import Detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `id` is the same each time it is told, and of its record in the audit trail.

    `type`: as the trail names it, such as `session.ended`. `at`: seconds since the epoch. `outcome`: `done` or
    `refused`. `subject`, `client_id`, `session_id`: whom and what it is about, where that is told; `actor`: who did it,
    where that is somebody else. `detail` holds names and reasons, never a credential or the value of a claim.
    """

    id: str
    type: str
    at: float
    outcome: str
    subject: str | None = None
    client_id: str | None = None
    session_id: str | None = None
    actor: str | None = None
    detail: Mapping[str, Detail] = field(default_factory=dict)


EventSink: TypeAlias = Callable[[Event], Awaitable[None]]
"""Takes an event on. What it raises has the event told again, later; it may come twice in any case."""
