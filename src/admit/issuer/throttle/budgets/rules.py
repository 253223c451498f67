"""How much is left of a budget. Pure; `store` says the same in SQL, where it decides."""

from typing import Final

from admit.issuer.throttle.budgets.records import Budget

NEARLY: Final = 0.999
"""Of the last try's cost: sums of many small floating-point costs are not exact."""
TOO_FAR: Final = 2.0
"""Spans ahead of now. A moment beyond was written by a clock that was wrong, and would keep the budget shut."""


def begins(full_at: float | None, *, span: float, now: float) -> float:
    """The moment from which the next try is counted: now for a whole budget."""
    return full_at if full_at is not None and now < full_at <= now + TOO_FAR * span else now


def wait(budget: Budget, full_at: float | None, *, now: float) -> float:
    """Seconds until the next try is allowed; zero when it is now."""
    begun = begins(full_at, span=budget.span, now=now)
    return max(0.0, begun + NEARLY * budget.cost - now - budget.span)


def share_spent(budget: Budget, full_at: float | None, *, now: float) -> float:
    """How much of the budget is spent, from 0 to 1."""
    return min(1.0, (begins(full_at, span=budget.span, now=now) - now) / budget.span)
