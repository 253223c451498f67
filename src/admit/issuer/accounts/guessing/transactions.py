"""The transactions of guessing."""

from datetime import timedelta

from admit.issuer.accounts import transactions as accounts
from admit.issuer.accounts.guessing.records import Guesser
from admit.issuer.audit import AuditEvent, Outcome, record
from admit.issuer.storage import Steps
from admit.issuer.throttle import take
from admit.issuer.throttle.budgets import Budget, note


def failed(guesser: Guesser, everybody: Budget, *, reason: str, now: float) -> Steps[None]:
    """A wrong password, on record; a stranger's counts for how dear strangers' tries are."""
    yield from accounts.note_failed_login(guesser.user_id, reason=reason, info=guesser.info, now=now)
    if guesser.is_stranger:
        yield from note(everybody, now=now)


def tell_spent(guesser: Guesser, budget: str, *, window: timedelta, now: float) -> Steps[None]:
    """The record that a budget is spent: one a window, so that a flood is told and does not fill the trail."""
    if not (yield from take(bucket=f"told-{budget}", limit=1, window=window, now=now)).allowed:
        return
    yield record(
        AuditEvent.THROTTLED,
        outcome=Outcome.REFUSED,
        info=guesser.info,
        now=now,
        user_id=guesser.user_id,
        detail={"reason": budget.partition(":")[0]},
    )
