"""Letting go of what nothing can ask for any more, in portions that hold nobody up."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    BigInteger,
    Integer,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from admit.issuer.revocation import rules
from admit.issuer.revocation.store.lists import INSERT_CHANGE
from admit.issuer.revocation.store.tables import node, status_batch, status_change, status_list
from admit.issuer.storage import PUBLISH, Statement, Steps
from admit.issuer.storage.portions import Portions

_first = cast(status_list.c.n, BigInteger) * (rules.LOW_MASK + 1)
_newer = status_list.alias("newer")
_over_at = func.coalesce(node.c.ended_at, node.c.expires_at)

# The two newest lists stay: one is being filled, and one is its spare.
SELECT_FINISHED: Final = Statement(
    select(status_list.c.n)
    .where(
        status_list.c.dropped_at.is_(None),
        status_list.c.created_at < bindparam("before"),
        select(func.count()).select_from(_newer).where(_newer.c.n > status_list.c.n).scalar_subquery() >= 2,
        ~exists().where(
            and_(
                node.c.idx >= _first,
                node.c.idx < _first + (rules.LOW_MASK + 1),
                node.c.expires_at >= bindparam("before"),
                _over_at >= bindparam("before"),
            )
        ),
    )
    .order_by(status_list.c.n)
)
DROP_LIST: Final = Statement(
    update(status_list)
    .where(status_list.c.n == bindparam("number"), status_list.c.dropped_at.is_(None))
    .values(dropped_at=bindparam("now"))
    .returning(status_list.c.n)
)

_old = status_batch.alias("old")
_finished = select(status_list.c.n).where(status_list.c.dropped_at < bindparam("before"))
_loose = status_change.alias("loose")
_COUNT = bindparam("count", type_=Integer)
_OLD = (
    select(_old.c.epoch, _old.c.seq)
    .where(_old.c.at < bindparam("before"))
    .order_by(_old.c.epoch, _old.c.seq)
    .limit(_COUNT)
)
_LOOSE = (
    select(_loose.c.tx, _loose.c.list, _loose.c.position).where(_loose.c.list.in_(_finished)).limit(_COUNT)
)
DELETE_BATCHES: Final = Statement(
    delete(status_batch)
    .where(tuple_(status_batch.c.epoch, status_batch.c.seq).in_(_OLD))
    .returning(status_batch.c.seq)
)
DELETE_CHANGES: Final = Statement(
    delete(status_change)
    .where(tuple_(status_change.c.tx, status_change.c.list, status_change.c.position).in_(_LOOSE))
    .returning(status_change.c.position)
)
DUE: Final = Statement(
    select(
        select(func.count()).select_from(_OLD.subquery()).scalar_subquery().label("batches"),
        select(func.count()).select_from(_LOOSE.subquery()).scalar_subquery().label("changes"),
    )
)
"""How many of each there are to purge, up to `count`. The last look goes through all that is kept, and is no
transaction's business."""


def drop_lists(numbers: Sequence[int], *, now: float) -> Steps[int]:
    """Take these lists, which SELECT_FINISHED found, out of use; how many were in use still.

    It found those whose families were all over at `before`, `now` less the longest life of a token: until then somebody
    may still show one. What is over stays so, and an old list gets no new families: there is no need to look again.
    """
    dropped = 0
    for number in numbers:
        gone = yield DROP_LIST(number=number, now=now)
        if gone:
            dropped += 1
            yield INSERT_CHANGE(number=number, at_position=rules.LISTS_CHANGED)
    if dropped:
        yield PUBLISH
    return dropped


def purge(batches: int, changes: int, *, before: float) -> Steps[int]:
    """Delete so many rows at most of the order of ends, and of dropped lists' bits, from before `before`; how many.

    A process that had not looked since then reads everything anew.
    """
    gone = 0
    if batches:
        gone += len((yield DELETE_BATCHES(before=before, count=batches)))
    if changes:
        gone += len((yield DELETE_CHANGES(before=before, count=changes)))
    return gone


# The newest row stays, since it tells how far indices have come. An expression, and so no bound of the index: SQLite
# takes one upper bound, and were it this one, each look would go on to the end of the table.
_newest = select(func.max(node.alias("newest").c.idx)).scalar_subquery()
NODES: Final = Portions(
    node,
    and_(
        or_(node.c.expires_at < bindparam("before"), node.c.ended_at < bindparam("before")),
        node.c.idx + 0 < _newest,
    ),
)
