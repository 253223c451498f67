"""The user that an application's account makes, and what of a change ends what there is. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from admit.errors import AccountError
from admit.issuer.accounts import claims, rules
from admit.issuer.accounts.elsewhere.protocol import Account
from admit.issuer.accounts.errors import (
    AccountsUnavailableError,
    ClaimValueError,
    EmailError,
    PersonNameError,
)
from admit.issuer.accounts.records import User
from admit.issuer.revocation.records import ByUser, ByUserSessions, EndStart

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
IDENTIFIER_MAX: Final = 254
SUBJECT: Final = "u_"
NOBODY: Final = SUBJECT + "."
"""The subject of no account: no key has a dot."""


def subject_of(key: str) -> str:
    """The subject of an account's tokens: no client id begins so (RFC 9700 §4.15).

    Raises:
        AccountsUnavailableError: the application's key has a form that cannot be one.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise AccountsUnavailableError("an account's key is not 1 to 64 of letters, digits, _ and -")
    return SUBJECT + key


def key_of(subject: str) -> str:
    """The application's key of a subject."""
    return subject.removeprefix(SUBJECT)


def clean_identifier(typed: str) -> str | None:
    """What was typed, without blanks around it; None for what is nobody's, and may be more than a database takes."""
    text = typed.strip()
    return text if 0 < len(text) <= IDENTIFIER_MAX and text.isprintable() else None


class Seen(NamedTuple):
    """The user that an account makes, and the names of what of it is not told: it has a form that is not taken."""

    user: User
    dropped: tuple[str, ...]


def seen(account: Account, kept: Mapping[str, Any], now: float) -> Seen:
    """What an account says, in the forms in which accounts are kept here. What cannot be taken is left out: a phone
    number in another form must not keep its owner out.

    Raises:
        AccountsUnavailableError: a key or a stamp that cannot be one.
    """
    dropped: list[str] = []
    id = subject_of(account.key)
    name = _name(account.name) or _name(account.login) or id
    address = _address(account.email)
    if account.email and address is None:
        dropped.append("email")
    user = User(
        id=id,
        email=id,
        email_shown=address or (_name(account.login) or "").replace("@", "") or name.replace("@", "") or id,
        name=name,
        roles=_labels(account.roles, "roles", dropped),
        groups=_labels(account.groups, "groups", dropped),
        locale=rules.check_locale(account.locale),
        created_at=now,
        updated_at=now,
        email_verified_at=now if address is not None and account.email_verified is True else None,
        claims=_claims(kept, dropped),
    )
    return Seen(user, tuple(dropped))


def _name(text: str) -> str | None:
    try:
        return rules.clean_name(text)
    except PersonNameError:
        return None


def _address(email: str | None) -> str | None:
    try:
        return rules.shown_email(email) if email and rules.canonical_email(email) else None
    except EmailError:
        return None


def _labels(names: Collection[str], what: str, dropped: list[str]) -> frozenset[str]:
    if isinstance(names, str):  # its characters are no names
        raise AccountsUnavailableError(f"an account's {what} is one text: want a collection")
    taken = set()
    for name in names:
        try:
            taken.add(rules.check_label(name))
        except AccountError:
            dropped.append(what)
    return frozenset(taken)


def _claims(values: Mapping[str, Any], dropped: list[str]) -> claims.Claims:
    taken: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == "":
            continue
        try:
            taken = dict(claims.check({**taken, name: value}))
        except ClaimValueError:
            dropped.append(name if name in claims.KEPT else "claims")
    return claims.check(taken) if taken else claims.NOTHING


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written of somebody who was seen before, and what ends by it. `names` are for the audit."""

    user: User
    names: tuple[str, ...]
    password: bool
    end: EndStart | None


def change(before: User, after: User, *, same_stamp: bool, now: float) -> Change | None:
    """What changed between two looks at an account; None for nothing.

    Another password ends everything, as it does for accounts of our own. So does a role or group that is gone, since
    tokens say what their owner might do; a new one ends the sessions, since none keeps its id through a rise in
    privilege (contracts §4), and a new operator's grants too.
    """
    verified = after.email_verified_at
    if (
        verified is not None
        and before.email_verified_at is not None
        and before.email_shown == after.email_shown
    ):
        verified = before.email_verified_at
    now_so = replace(
        before,
        email_shown=after.email_shown,
        name=after.name,
        roles=after.roles,
        groups=after.groups,
        locale=after.locale,
        email_verified_at=verified,
        claims=after.claims,
    )
    if same_stamp and now_so == before:
        return None
    names = [name for name in _TOLD if getattr(now_so, name) != getattr(before, name)]
    end: EndStart | None = None
    less = before.roles - after.roles or before.groups - after.groups
    if not same_stamp or less or rules.ADMIN_ROLE in after.roles - before.roles:
        end = ByUser(before.id)
    elif after.roles != before.roles or after.groups != before.groups:
        end = ByUserSessions(before.id)
    return Change(
        user=replace(
            now_so,
            updated_at=max(now, before.updated_at + LEAST),
            credential_version=before.credential_version + (not same_stamp),
        ),
        names=tuple(names if same_stamp else ["password", *names]),
        password=not same_stamp,
        end=end,
    )


_TOLD: Final[Iterable[str]] = (
    "email_shown", "name", "roles", "groups", "locale", "email_verified_at", "claims",
)  # fmt: skip
LEAST: Final = 0.001
"""Seconds between two changes, so that which was seen last can be told from the row alone."""
