"""What a store keeps, and what it has to promise."""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

TOMBSTONE: Final = timedelta(hours=1).total_seconds()
"""How long an ended session of the provider is remembered: a sign-in that was under way must not outlive it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session. `id_hash` is SHA-256 of the cookie's octets; `sealed` opens with the cookie only.

    `person` and `at_provider` stand for the person and for the provider's own session of theirs (`named`); by them it
    is ended from outside. `version` rises with each change of `sealed`. Times are seconds since the epoch.
    """

    id_hash: bytes
    sealed: bytes = field(repr=False)
    person: bytes
    at_provider: bytes | None
    idle_at: float
    expires_at: float
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnd:
    """A provider's word that sessions are over, OpenID Connect Back-Channel Logout §2.4.

    With `at_provider` it is about the sessions that hang on that one, and about those of the `person` that never said
    on which they hang; without it about all of the person's. `told_at` is when the provider said it, by its own clock
    in seconds since the epoch: what it issued later is not meant. The word has a `name`, and counts once until `until`.
    """

    person: bytes | None
    at_provider: bytes | None
    told_at: float
    name: bytes
    until: float

    @property
    def stays(self) -> tuple[bytes, float] | None:
        """What to remember beside `at_provider`: who may not begin a session by what was issued until when."""
        if self.person is None:
            return None
        return (self.person if self.at_provider is None else unplaced(self.person)), self.told_at


class SessionStore(Protocol):
    """Sessions, shared by all workers that serve one application.

    Each method is atomic, and what it acknowledges is there for every worker. It may block; in an event loop it is
    called in a thread. Trouble is an `UnavailableError`.
    """

    def secret(self) -> bytes:
        """32 random octets, made once and the same for all: what browsers keep of sign-ins is sealed with them."""
        ...

    def add(self, session: StoredSession, issued_at: float, now: float) -> bool:
        """Keep a new session; False where the provider ended its own, or the person's, at `issued_at` or later.

        `issued_at` is when the provider wrote the ID token, by its own clock.
        """
        ...

    def get(self, id_hash: bytes, now: float) -> StoredSession | None:
        """A live session."""
        ...

    def touch(self, id_hash: bytes, idle_at: float) -> None:
        """It was used: it idles until then. Never shortens that."""
        ...

    def lease(self, id_hash: bytes, version: int, now: float, until: float, holder: bytes = b"") -> bool:
        """Whether the caller alone may change this version until then. `holder` is a name of whoever has it."""
        ...

    def release(self, id_hash: bytes, version: int, holder: bytes = b"") -> None:
        """Give a lease back without a change; nobody gives back one that another holder got meanwhile."""
        ...

    def replace(self, id_hash: bytes, version: int, sealed: bytes) -> bool:
        """Change `sealed` and raise the version, if that is still it and the session lives; ends the lease."""
        ...

    def end(self, id_hash: bytes, version: int | None = None) -> bool:
        """End a session, with `version` only if that is still it; whether there was one."""
        ...

    def end_of(self, told: StoredEnd, now: float) -> int:
        """End the sessions that a provider's word is about, and count them; what was under way begins none more.

        The word is spent with that and never before: one that was spent ends nothing, one that fails can come again.
        """
        ...

    def spend_once(self, name: bytes, now: float, until: float) -> bool:
        """Whether this name is new; until then it is not again."""
        ...


def unplaced(person: bytes) -> bytes:
    """A name for the sessions of a person that never said on which of the provider's they hang."""
    return hashlib.sha256(b"unplaced" + person).digest()


def named(*parts: str) -> bytes:
    """A name that tells nothing to who reads the store: SHA-256 of the parts, none of which runs into the next."""
    return hashlib.sha256(b"".join(f"{len(part)}:{part}".encode() for part in parts)).digest()
