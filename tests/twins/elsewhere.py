"""Permissive twins of what asks an application that keeps the accounts."""

from typing import Any

from admit.issuer.storage import Steps


def _believed_for_ever(self: Any, user_id: str) -> bool:
    return True


def _ends_nothing(lists: Any, user_id: str, read: Any, *, now: float) -> Steps[int | None]:
    yield from ()
    return 0


def _never_overtaken(read: Any, found: Any) -> bool:
    return True


def _never_another(self: Any, looked: Any, stamp: str) -> bool:
    return True


def _overtaken_by_nobody(self: Any, user_id: str) -> None:
    pass


TWINS = {
    "admit.issuer.accounts.elsewhere.driver:AccountsElsewhere._check_current": _overtaken_by_nobody,
    "admit.issuer.accounts.elsewhere.driver:AccountsElsewhere._same_password": _never_another,
    "admit.issuer.accounts.elsewhere.transactions:is_over": _never_overtaken,
    "admit.issuer.accounts.elsewhere.driver:AccountsElsewhere._is_believed": _believed_for_ever,
    "admit.issuer.accounts.elsewhere.transactions:gone": _ends_nothing,
}
