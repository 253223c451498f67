"""A mailed or handed link as a frozen value. Times are seconds since the epoch."""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a link is for; it is good for nothing else."""

    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"
    HANDED = "handed"
    """Sets a new password as `RESET` does, and proves no address: an operator gave it to the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link, without its token. `email` is the canonical address that it was mailed to, and that it proves; of one
    that was handed over, the account's.

    `credential_version` is the account's when it was made: whatever changes the password or the address kills it.
    """

    purpose: Purpose
    user_id: str
    email: str
    email_shown: str
    credential_version: int
    expires_at: float
    spent_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedLink:
    """What an operator hands over. `ended`: how many sessions and grants were ended along with the old password."""

    link: str
    expires_at: float
    ended: int
