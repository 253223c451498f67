"""Twins of the defences of passwords, their change and their import."""

from collections.abc import Collection, Iterable
from typing import Any

from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.revocation.records import ByUserSessions, EndStart
from admit.issuer.sessions.records import Session


def _never_common(password: str, common: Collection[str]) -> bool:
    return False


def _never_context(password: str, context: Iterable[str]) -> bool:
    return False


def _cut_and_trimmed(password: str) -> bytes | None:
    return password.strip().encode("utf-8", "replace")[:72]


def _any_cost(*, work: int, most: int, memory: int = 0) -> None:
    pass


def _ours_whatever_it_is(self: PasswordHasher, stored: str) -> bool:
    return True


def _any_roles(roles: frozenset[str]) -> None:
    pass


async def _the_browser_is_enough(app: App, call: Call, session: Session, password: str) -> User | None:
    return session.user


def _sessions_only(user_id: str, keep: str) -> EndStart:
    return ByUserSessions(user_id, keep)


def _unpeppered(key: bytes, password: bytes) -> bytes:
    return password


TWINS: dict[str, Any] = {
    "admit.issuer.accounts.pepper:mix": _unpeppered,
    "admit.issuer.accounts.policy.rules:is_common": _never_common,
    "admit.issuer.accounts.policy.rules:is_context": _never_context,
    "admit.issuer.accounts.rules:password_bytes": _cut_and_trimmed,
    "admit.issuer.accounts.foreign.bounds:check_cost": _any_cost,
    "admit.issuer.accounts.passwords:PasswordHasher.is_ours": _ours_whatever_it_is,
    "admit.issuer.accounts.importing.rows:check_roles": _any_roles,
    "admit.issuer.app.routes.account_password:reauthenticate": _the_browser_is_enough,
    "admit.issuer.sessions.password:all_but": _sessions_only,
}
