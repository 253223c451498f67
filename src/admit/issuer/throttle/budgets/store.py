"""The table `budget`: when each budget will be whole again. A budget without a row is whole."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Double, Table, Text, bindparam, case, or_, select

from admit.issuer.storage import Database, Row, Statement, Steps, any_of, metadata, upsert
from admit.issuer.storage.portions import Portions
from admit.issuer.throttle.budgets import rules
from admit.issuer.throttle.budgets.records import Budget, SpentError

budget: Final = Table(
    "budget",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("full_at", Double, nullable=False),
    Column("span", Double, nullable=False),
)

_now = bindparam("now", type_=Double)

READ: Final = Statement(select(budget.c.bucket, budget.c.full_at).where(any_of(budget.c.bucket, "buckets")))
PORTIONS: Final = Portions(budget, budget.c.full_at <= bindparam("before", type_=Double))
"""For the sweeper: budgets that are whole again."""


def _rows(count: int) -> list[dict[str, Any]]:
    columns = (("bucket", Text), ("full_at", Double), ("span", Double))
    return [
        {name: bindparam(f"of_{number}_{name}", type_=type_) for name, type_ in columns}
        for number in range(count)
    ]


@cache
def _drawing(count: int) -> Statement:
    """One statement counts and decides for all of them, so that parallel tries cannot all see the last one left. The
    rows are those that it was drawn from. What is proposed is a first try: its cost is how far it lies ahead of now.
    """
    made = upsert(budget).values(_rows(count))
    cost = made.excluded.full_at - _now
    begun: ColumnElement[float] = case(
        (or_(budget.c.full_at <= _now, budget.c.full_at > _now + rules.TOO_FAR * made.excluded.span), _now),
        else_=budget.c.full_at,
    )
    return Statement(
        made.on_conflict_do_update(
            index_elements=["bucket"],
            set_={"full_at": begun + cost, "span": made.excluded.span},
            where=begun + rules.NEARLY * cost <= _now + made.excluded.span,
        ).returning(budget.c.bucket)
    )


@cache
def _refunding(count: int) -> Statement:
    """As an insert, since that takes its rows in the order in which they stand: as drawing does, so that no two
    transactions wait for each other crosswise. What is no row any more becomes one that the sweeper takes.
    """
    made = upsert(budget).values(_rows(count))
    return Statement(
        made.on_conflict_do_update(
            index_elements=["bucket"], set_={"full_at": budget.c.full_at + made.excluded.full_at}
        )
    )


def _bound(budgets: Sequence[Budget], full_at: Sequence[float]) -> dict[str, Any]:
    return {
        name: value
        for number, (one, moment) in enumerate(zip(budgets, full_at, strict=True))
        for name, value in (
            (f"of_{number}_bucket", one.name),
            (f"of_{number}_full_at", moment),
            (f"of_{number}_span", one.span),
        )
    }


def _in_order(budgets: Sequence[Budget]) -> list[Budget]:
    return sorted(budgets, key=lambda one: one.name)


def _first_spent(budgets: Sequence[Budget], standing: Mapping[str, float], now: float) -> None:
    """Raises: SpentError with the longest of the waits, when any has to be waited for."""
    waits = [(rules.wait(one, standing.get(one.name), now=now), one.name) for one in budgets]
    longest, name = max(waits, default=(0.0, ""))
    if longest > 0:
        raise SpentError(name, retry_after=longest)


def _standing(rows: Sequence[Row]) -> dict[str, float]:
    return {row["bucket"]: row["full_at"] for row in rows}


async def peek(db: Database, names: Sequence[str]) -> Mapping[str, float]:
    """When those of these budgets are whole again that are not. Decides nothing: a read, so that a flood costs a
    read.
    """
    return _standing(await db.read(READ(buckets=names)))


def check(budgets: Sequence[Budget], standing: Mapping[str, float], *, now: float) -> None:
    """Refuse what `draw` would refuse by what `peek` saw.

    Raises:
        SpentError: one of them has no try left.
    """
    _first_spent(budgets, standing, now)


def draw(budgets: Sequence[Budget], *, now: float) -> Steps[None]:
    """Take one try from each of these budgets, or from none.

    Run it as a transaction of its own, before the work: counted inside the work's transaction, a failure would roll the
    count back, and that is the very thing to be counted.

    Raises:
        SpentError: one of them has no try left; the transaction is to be rolled back.
    """
    ordered = _in_order(budgets)
    first = [now + one.cost for one in ordered]
    rows = yield _drawing(len(ordered))(now=now, **_bound(ordered, first))
    if len(rows) < len(ordered):
        drawn = {row["bucket"] for row in rows}
        refused = [one for one in ordered if one.name not in drawn]
        rows = yield READ(buckets=[one.name for one in refused])
        _first_spent(refused, _standing(rows), now)
        # The statement refused, whatever the reading says by the last bit of a number.
        raise SpentError(refused[0].name, retry_after=1.0)


def refund(budgets: Sequence[Budget]) -> Steps[None]:
    """Give back what one `draw` took: the try was a good one, and only bad ones are to be counted. Never more than
    that, so that good tries between bad ones win nothing.
    """
    ordered = _in_order(budgets)
    if ordered:
        yield _refunding(len(ordered))(**_bound(ordered, [-one.cost for one in ordered]))


def note(one: Budget, *, now: float) -> Steps[None]:
    """Count what has happened already; a budget that is spent stays spent and owes nothing."""
    yield _drawing(1)(now=now, **_bound([one], [now + one.cost]))
