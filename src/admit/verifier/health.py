"""What a verifier can say of itself to a readiness probe."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerHealth:
    """One issuer's state. Ages are in seconds; None where there is nothing, or nothing that ages.

    `ready` says that a good token would be taken now. `fresh_age` is the age of what is known of revocations and
    `max_staleness` its bound; `lists` maps each list held to its version; `keys` are the kids held for tokens.
    `went_back` says that the issuer's database was seen to go back in time: `admit epoch raise` there ends it.
    `last_error` is the code of the last failure to ask the issuer, None after a success.
    """

    issuer: str
    ready: bool
    follows: bool
    fresh_age: float | None = None
    max_staleness: float | None = None
    epoch: int | None = None
    seq: int | None = None
    lists: Mapping[int, str]
    keys: tuple[str, ...] = ()
    keys_age: float | None = None
    went_back: bool = False
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class VerifierHealth:
    """All issuers' states. `ready` says that every one of them is."""

    issuers: tuple[IssuerHealth, ...]

    @property
    def ready(self) -> bool:
        """For a readiness probe."""
        return all(one.ready for one in self.issuers)
