"""A mail before it is one, as frozen values. Times are seconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import MappingProxyType
from typing import Literal, TypeAlias

MailKind: TypeAlias = Literal[
    "verify_email",
    "confirm_new_email",
    "reset_password",
    "already_registered",
    "signed_in",
    "password_changed",
    "second_factor_added",
    "second_factor_removed",
    "recovery_code_used",
    "recovery_codes_made",
    "second_factor_guessed",
    "email_changed",
    "sessions_ended",
    "account_removed",
    "app_allowed",
    "unknown_app_allowed",
]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is to be told, to whom, and in which language; its words are made when it is sent.

    `to` is one address. `locale` is the account's. `data` holds what the kind needs (`KINDS`): it may be secret, and is
    stored sealed. `life`: how long it is worth sending (a link's life); None for as long as the outbox tries.
    """

    kind: MailKind
    user_id: str | None
    to: str = field(repr=False)
    locale: str | None = None
    data: Mapping[str, str] = field(default_factory=lambda: _NOTHING, repr=False)
    life: timedelta | None = None


class Posted(Enum):
    """What became of a mail that was posted. Only QUEUED will be sent; nothing was kept of the others."""

    QUEUED = "queued"
    OFF = "no mail sender is set"
    TOO_MANY = "this address had enough of this kind"
    FULL = "as many mails wait as may"
    UNDELIVERABLE = "not an address that mail goes to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A mail that a worker took out to send. `id` stays the same over all tries, and is its Message-ID."""

    id: str
    mail: Mail
    created_at: float
    give_up_at: float
    tries: int
