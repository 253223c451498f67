"""Twins of the defences of accounts."""

from collections.abc import Sequence
from typing import Any

from admit.issuer.accounts.records import User
from admit.issuer.storage import Steps


def _as_it_came(text: str) -> str:
    return text


def _any_folding(text: str, canonical: str) -> bool:
    return True


def _nothing_to_check(stored: str | None, dummy: str) -> str | None:
    return stored


def _anybody(user: User) -> bool:
    return True


def _leave_all(*args: Any, **kwargs: Any) -> Steps[int]:
    return 0
    yield


def _nobody_strange(emails: Sequence[str]) -> Steps[frozenset[str]]:
    return frozenset()
    yield


def _any_address(text: str) -> bool:
    """Whatever a browser may make of it."""
    return True


TWINS: dict[str, Any] = {
    "admit.issuer.accounts.claims:is_web_url": _any_address,
    "admit.issuer.accounts.rules:canonical_identifier": _as_it_came,
    "admit.issuer.accounts.rules:is_mailed_as_compared": _any_folding,
    "admit.issuer.accounts.passwords:hash_to_check": _nothing_to_check,
    "admit.issuer.accounts.rules:may_sign_in": _anybody,
    "admit.issuer.accounts.transactions:end_after_change": _leave_all,
    "admit.issuer.accounts.importing.transactions:strangers": _nobody_strange,
}
