"""Letting go of what nothing can ask for any more, in portions that hold nobody up."""

from typing import Final

from sqlalchemy import BigInteger, and_, bindparam, cast, delete, exists, func, select, tuple_, update

from admit.issuer.revocation import rules
from admit.issuer.revocation.store.lists import INSERT_CHANGE
from admit.issuer.revocation.store.tables import node, status_batch, status_change, status_list
from admit.issuer.storage import PUBLISH, Statement, Steps

_PORTION = 5_000
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
DELETE_BATCHES: Final = Statement(
    delete(status_batch)
    .where(
        tuple_(status_batch.c.epoch, status_batch.c.seq).in_(
            select(_old.c.epoch, _old.c.seq).where(_old.c.at < bindparam("before")).limit(_PORTION)
        )
    )
    .returning(status_batch.c.seq)
)
DELETE_CHANGES: Final = Statement(
    delete(status_change)
    .where(
        tuple_(status_change.c.tx, status_change.c.list, status_change.c.position).in_(
            select(_loose.c.tx, _loose.c.list, _loose.c.position)
            .where(_loose.c.list.in_(_finished))
            .limit(_PORTION)
        )
    )
    .returning(status_change.c.position)
)


def drop_finished_lists(*, before: float, now: float) -> Steps[int]:
    """Take lists out of use whose families were all over at `before`; how many.

    `before` is `now` less the longest life of a token: until then somebody may still show one.
    """
    rows = yield SELECT_FINISHED(before=before)
    dropped = 0
    for row in rows:
        gone = yield DROP_LIST(number=row["n"], now=now)
        if gone:
            dropped += 1
            yield INSERT_CHANGE(number=row["n"], at_position=rules.LISTS_CHANGED)
    if dropped:
        yield PUBLISH
    return dropped


def purge(*, before: float) -> Steps[int]:
    """Delete a portion of the order of ends, and of dropped lists' bits, from before `before`. 0: nothing is left.

    A process that had not looked since then reads everything anew.
    """
    batches = yield DELETE_BATCHES(before=before)
    changes = yield DELETE_CHANGES(before=before)
    return len(batches) + len(changes)


_portion = (
    select(node.c.idx).where(node.c.idx > bindparam("after")).order_by(node.c.idx).limit(_PORTION).subquery()
)
SELECT_PORTION: Final = Statement(
    select(
        func.max(_portion.c.idx).label("last"), select(func.max(node.c.idx)).scalar_subquery().label("top")
    )
)
DELETE_NODES: Final = Statement(
    delete(node).where(
        node.c.idx > bindparam("after"),
        node.c.idx <= bindparam("last"),
        (node.c.expires_at < bindparam("before")) | (node.c.ended_at < bindparam("before")),
    )
)


def forget_nodes(*, after: int, before: float) -> Steps[int]:
    """Delete the nodes that were over at `before`, among some thousand after the index `after`.

    Returns where to go on; 0 at the end of the table. The newest row stays, since it tells how far indices have come.
    """
    rows = yield SELECT_PORTION(after=after)
    last, top = rows[0]["last"], rows[0]["top"]
    if last is None:
        return 0
    yield DELETE_NODES(after=after, last=min(last, top - 1), before=before)
    return 0 if last == top else int(last)
