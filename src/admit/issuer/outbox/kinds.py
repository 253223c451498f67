"""Every kind of mail: what it needs, and how many of it one address gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final, get_args

from admit.issuer.outbox.records import MailKind

HOUR: Final = timedelta(hours=1)
LONGEST_WINDOW: Final = HOUR


@dataclass(frozen=True, slots=True)
class About:
    """`needs`: the names that `data` must have. At most `limit` go to one address in `window`, whoever causes them.

    `asked_for`: a stranger causes it. While mail cannot leave, these fill half of the room and no more, so that the
    notices of what was done to an account still find some.
    """

    needs: frozenset[str] = frozenset()
    limit: int = 10
    window: timedelta = HOUR
    asked_for: bool = False


# The window of `reset_password` is the life of its link: whoever used the budget up,
# the owner has a link in the mailbox that works, or can have one. Nobody is locked out of recovery by another's asking.
_ROWS: Final[dict[MailKind, About]] = {
    "verify_email": About(frozenset({"link"}), limit=3, asked_for=True),
    "confirm_new_email": About(frozenset({"link"}), limit=3, asked_for=True),
    "reset_password": About(limit=3, window=timedelta(minutes=15), asked_for=True),
    "already_registered": About(limit=3, asked_for=True),
    "signed_in": About(frozenset({"user_agent", "ip"})),
    "password_changed": About(),
    "second_factor_added": About(),
    "second_factor_removed": About(),
    "recovery_code_used": About(frozenset({"left"})),
    "recovery_codes_made": About(),
    "second_factor_guessed": About(),
    "email_changed": About(),
    "sessions_ended": About(),
    "account_removed": About(),
    "app_allowed": About(frozenset({"app"})),
    "unknown_app_allowed": About(),
}
KINDS: Final[Mapping[MailKind, About]] = MappingProxyType({kind: _ROWS[kind] for kind in get_args(MailKind)})
