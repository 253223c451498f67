"""Budgets that refill: so many tries at once, and then as many as come back with time.

A window that begins anew gives everything back at one moment, to whoever waits for it, and until then nothing at all.
A budget gives one try back after another. It is one number, the moment at which it will be whole again (the generic
cell rate algorithm), so that a whole budget needs no row, and one conditional statement counts and decides.

`records` what a budget is · `rules` how much is left (pure) · `store` the table and its SQL
"""

from admit.issuer.throttle.budgets.records import Budget, SpentError
from admit.issuer.throttle.budgets.rules import share_spent
from admit.issuer.throttle.budgets.store import (
    PORTIONS,
    check,
    draw,
    note,
    peek,
    refund,
)

__all__ = ["PORTIONS", "Budget", "SpentError", "check", "draw", "note", "peek", "refund", "share_spent"]
