"""Twins of the defences against guessing: what careless servers do."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update

from admit.issuer.storage import Statement, Steps
from admit.issuer.throttle.budgets import Budget
from admit.issuer.throttle.budgets.store import budget


def _count_nothing(budgets: Sequence[Budget], *, now: float) -> Steps[None]:
    return
    yield


_RESET = Statement(update(budget).values(full_at=0.0))


def _begin_anew(budgets: Sequence[Budget]) -> Steps[None]:
    """A success clears the counter, as many servers have it."""
    yield _RESET()


def _as_it_came(ip: str | None) -> str:
    return ip or ""


def _no_line_is_longer(*args: Any, **kwargs: Any) -> None:
    """First come, first served, until there is no place."""


def _no(*args: Any, **kwargs: Any) -> bool:
    return False


def _ours(*args: Any, **kwargs: Any) -> None:
    """One dummy for all."""


def _as_dear_as_ever(share_spent: float) -> float:
    return 1.0


def _never_too_many(known: int, waiting: int) -> bool:
    return False


TWINS: dict[str, Any] = {
    "admit.issuer.throttle.budgets.store:draw": _count_nothing,
    "admit.issuer.throttle.budgets.store:refund": _begin_anew,
    "admit.issuer.throttle.buckets:network": _as_it_came,
    "admit.issuer.throttle.buckets:prefix": _ours,
    "admit.issuer.accounts.devices.rules:is_known": _no,
    "admit.issuer.accounts.dummies:Dummies.of": _ours,
    "admit.issuer.accounts.guessing.rules:slowness": _as_dear_as_ever,
    "admit.issuer.accounts.lines:too_many_known": _never_too_many,
    "admit.issuer.accounts.lines:Lines.give_way": _no_line_is_longer,
    "admit.issuer.accounts.pool:BoundedPool.is_full": _no,
}
