"""A mailed link as a frozen value. Times are seconds since the epoch."""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a link is for; it is good for nothing else."""

    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link, without its token. `email` is the canonical address that it was mailed to, and that it proves.

    `credential_version` is the account's when it was made: whatever changes the password or the address kills it.
    """

    purpose: Purpose
    user_id: str
    email: str
    email_shown: str
    credential_version: int
    expires_at: float
    spent_at: float | None
