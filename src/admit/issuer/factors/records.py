"""What second factors are made of, as frozen values. Times are seconds since the epoch."""

from dataclasses import dataclass, field
from enum import Enum

from admit.issuer.factors.assurance import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """An authenticator app that a person has proved to have. Its secret is not here."""

    id: str
    name: str
    created_at: float
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorsView:
    """What a person has: the apps, and how many recovery codes are left of how many."""

    apps: tuple[Factor, ...] = ()
    codes_left: int = 0
    codes_made_at: float | None = None

    @property
    def on(self) -> bool:
        """Whether a second factor is asked for at sign-in. Recovery codes alone are none."""
        return bool(self.apps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """An app that is being added: nothing is asked of it until it has shown a right code."""

    id: str
    secret: bytes = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A sign-in whose password was right and that is not over. It is no session: it names nobody to any endpoint but
    the one that takes the second factor.

    `credential_version` is the user's when the password was checked. `enrolment` is the id of the app that has to be
    added first, None where a code of one that is there is wanted. `next` names the page to go on to, "" for the usual.
    """

    user_id: str
    credential_version: int
    expires_at: float
    enrolment: str | None = None
    next: str = ""


class Refusal(Enum):
    """Why a code was not taken. The person is told more than a stranger would be: the password was right."""

    OVER = "over"
    """The sign-in or enrolment is unknown, expired, finished, another browser's, or had too many wrong codes."""
    WRONG = "wrong code"
    SPENT = "used code"
    """It was right, and used before."""
    TOO_MANY = "too many codes"
    """Of this person within the window, over all sign-ins."""
    CHANGED = "credentials changed"
    """The password or the factors were changed meanwhile."""
    FULL = "too many apps"
    """As many as there may be; or, of a removal, it is the last one and one is demanded."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The code was not taken. `retry_after` is in seconds, 0 where waiting changes nothing."""

    reason: Refusal
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The second factor of a pending sign-in was shown, and the sign-in is over: a session may begin, once."""

    pending: Pending
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """An app was added. `recovery_codes` are new ones, shown once; none for an app that was not the first."""

    factor: Factor
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
    ended: int = 0
