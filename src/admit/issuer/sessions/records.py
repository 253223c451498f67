"""A sign-in session as a frozen value. Times are seconds since the epoch."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from admit.issuer.accounts.records import User


class Limits(NamedTuple):
    """How long a session may go unused, and how long it may live at all."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A live session and its user, as of one look-up.

    `id` is the public id (`sid`), safe to show; the raw id is in the browser's cookie alone. `idx` is its place in the
    status lists. `expires_at` is the nearer of its idle and its absolute end.
    """

    id: str
    idx: int
    user: User
    auth_time: float
    acr: str
    amr: tuple[str, ...]
    created_at: float
    last_seen_at: float
    absolute_expires_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session just begun, with the raw id for the cookie: 32 random bytes that are stored nowhere."""

    raw: bytes = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEntry:
    """A row of the list of one's sessions. `user_agent` and `ip` are what the sign-in came with, `name` is what its
    user calls it. `unfamiliar`: it began on a browser that was not known, and nobody has said yet that it was the user.
    """

    id: str
    created_at: float
    last_seen_at: float
    expires_at: float
    user_agent: str | None
    ip: str | None
    name: str | None = None
    unfamiliar: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How much was ended at once. `grants` are those that would have outlived the sessions; what hangs from a session
    ends with it and is not counted.
    """

    sessions: int = 0
    grants: int = 0

    @property
    def total(self) -> int:
        return self.sessions + self.grants
