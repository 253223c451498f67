"""What is read of a file, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from admit.issuer.accounts.records import User


@dataclass(frozen=True, slots=True)
class Row:
    """One account as the file says it: names and values, unchecked."""

    line: int
    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is no account, and why. `why` is fixed text: it quotes nothing of the line."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class ImportedUser:
    """A checked account. `password_hash` is None for one without a password, which its owner sets by mail."""

    line: int
    user: User
    password_hash: str | None = field(repr=False)
    disabled: bool = False
    said: frozenset[str] = frozenset()
    """The fields that the file has a value for: an update changes no others."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a transaction did: how many accounts it made and changed, which were there and left alone, and the lines
    that it refused.
    """

    made: int = 0
    updated: int = 0
    skipped: int = 0
    without_password: int = 0
    refused: tuple[Refused, ...] = ()


@dataclass(slots=True)
class Summary:
    """What an import has done so far. Each line is one of them: made, updated, skipped or refused."""

    made: int = 0
    updated: int = 0
    skipped: int = 0
    refused: int = 0
    without_password: int = 0

    def add(self, batch: Batch) -> None:
        """Count a batch that was committed."""
        self.made += batch.made
        self.updated += batch.updated
        self.skipped += batch.skipped
        self.refused += len(batch.refused)
        self.without_password += batch.without_password
