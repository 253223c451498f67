"""Ending families: one routine, several starting sets."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import CTE, ColumnElement, Select, bindparam, func, literal_column, or_, select, true, update
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.dml import ReturningUpdate

from admit.issuer.audit.store import audit_where
from admit.issuer.revocation import rules
from admit.issuer.revocation.records import (
    ByClient,
    ByNode,
    ByNodes,
    BySession,
    ByUser,
    ByUserBut,
    ByUserSessions,
    EndStart,
    HolderKind,
    NodeKind,
)
from admit.issuer.revocation.store.holders import ADD_HOLDER, END_HOLDER, LOCK_HOLDER
from admit.issuer.revocation.store.lists import INSERT_CHANGES, set_bits
from admit.issuer.revocation.store.logins import IN_ENDED, OVER_WITH, over
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import LONG, Bound, DialectName, Publish, Statement, Steps, Unless, any_of

if TYPE_CHECKING:
    from admit.issuer.revocation.lists import Lists


def _end_tree(root: ColumnElement[bool], *, few: bool = True) -> Statement:
    """`_update_tree` as a statement."""
    return Statement(lambda dialect: _update_tree(dialect, root, few=few))


def _update_tree(
    dialect: DialectName, root: ColumnElement[bool], *, few: bool = True
) -> ReturningUpdate[Any]:
    """End what is alive in the trees below `root`, and return it. Ended nodes are walked through, not ended again.

    `few` of a large table: PostgreSQL cannot know that they are few, and would read the whole table for each log-out
    (10 ms at 10,000 families), so it is left nothing but the indices.
    """

    one_of, children = (_by_key, _children_by_key) if few and dialect == "postgresql" else (_in, _children)
    tree = select(node.c.id).where(root).cte("tree", recursive=True)
    tree = tree.union(children(tree))
    # In one order, so that two ends that meet do not hold each other up.
    doomed = (
        select(node.c.idx)
        .where(one_of(node.c.id, select(tree.c.id)), node.c.ended_at.is_(None))
        .order_by(node.c.idx)
        .with_for_update(key_share=True)
    )
    return (
        update(node)
        .where(one_of(node.c.idx, doomed), node.c.ended_at.is_(None))
        .values(ended_at=bindparam("now"), end_reason=bindparam("reason"))
        .returning(node.c.idx)
    )


def _in(column: ColumnElement[Any], found: Select[Any]) -> ColumnElement[bool]:
    return column.in_(found)


def _by_key(column: ColumnElement[Any], found: Select[Any]) -> ColumnElement[bool]:
    return column == func.any(func.array(found.scalar_subquery()))


def _children(tree: CTE) -> Select[Any]:
    child = node.alias("child")
    return select(child.c.id).join(tree, child.c.parent_id == tree.c.id)


def _children_by_key(tree: CTE) -> Select[Any]:
    child = node.alias("child")
    # OFFSET keeps this from being joined in any other way than for one parent at a time.
    below = (
        select(child.c.id).where(child.c.parent_id == tree.c.id).offset(literal_column("0")).lateral("below")
    )
    return select(below.c.id).select_from(tree.join(below, true()))


_BY_ID = node.c.id == bindparam("start")
_IS_SESSION = node.c.kind == NodeKind.SESSION.value
# Below a node that was ended before, everything is ended; only what this end has just reached is walked again.
_OPEN = or_(node.c.ended_at.is_(None), node.c.ended_at >= bindparam("now"))

END_BY: Final[Mapping[type[EndStart], Statement]] = {
    ByNode: _end_tree(_BY_ID),
    ByNodes: _end_tree(any_of(node.c.id, "starts")),
    BySession: _end_tree(_BY_ID & (node.c.user_id == bindparam("owner")) & _IS_SESSION),
    ByUser: _end_tree((node.c.user_id == bindparam("start")) & _OPEN),
    ByUserBut: _end_tree((node.c.user_id == bindparam("start")) & (node.c.id != bindparam("keep")) & _OPEN),
    ByUserSessions: _end_tree(
        (node.c.user_id == bindparam("start")) & _IS_SESSION & (node.c.id != bindparam("keep")) & _OPEN
    ),
    ByClient: _end_tree((node.c.client_id == bindparam("start")) & _OPEN, few=False),
}


LIVE_OF_CLIENT: Final = Statement(
    select(node.c.idx, node.c.id)
    .where(
        node.c.client_id == bindparam("of_client"),
        node.c.idx > bindparam("after"),
        node.c.ended_at.is_(None),
        node.c.created_at <= bindparam("now"),
    )
    .order_by(node.c.idx)
    .limit(bindparam("count"))
)
"""A client's live families, some at a time."""


def _finish(dialect: DialectName, *, told: bool) -> Executable:
    """`END_BY` of one node once more; where it finds nothing, what it takes to write down what was ended."""
    more = _update_tree(dialect, _BY_ID).cte("more")
    nothing = ~select(more.c.idx).exists()
    written: list[CTE] = [set_bits(dialect, nothing).cte("written"), over(IN_ENDED, nothing).cte("logins")]
    if told:
        written.append(audit_where(nothing).cte("told"))
    return select(more.c.idx).add_cte(*written)


FINISH: Final = Statement(lambda dialect: _finish(dialect, told=False))
FINISH_AND_TELL: Final = Statement(lambda dialect: _finish(dialect, told=True))
"""For PostgreSQL only: SQLite has no such statements, and no round trips that they would spare."""

_PORTION: Final = 2_000  # positions that are worked out, or written, at once
_BESIDE: Final = 14  # a list of a million ends is written in 64 portions

Tell: TypeAlias = Callable[[int], Bound]
"""Makes the audit record of an end from how many families it ended."""


def end(
    lists: "Lists",
    start: EndStart,
    *,
    reason: str,
    now: float,
    told: Tell | None = None,
    lapsed: bool = False,
) -> Steps[int]:
    """End every live family of `start` and set its bit; how many were ended.

    Belongs into the transaction of what causes it: the logout, the disabling, the reuse. When that
    transaction is committed no family of `start` is alive, whatever was being issued meanwhile; each
    verifier refuses its tokens within its `max_staleness`. `reason` is a word for the audit, such as
    `logout`; what `told` makes is written where anything was ended. `lapsed`: it was over by its own times, which
    whoever holds a copy knows as well, so that nobody need be told before this is acknowledged.
    """
    if isinstance(start, ByClient):
        yield LONG
    yield from hold_start(start, now)
    ended, bits = yield from end_trees(lists, start, reason, now, told)
    if bits:
        # No session hangs from a client.
        yield Publish(() if lapsed or isinstance(start, ByClient | ByNodes) else ended)
    return len(ended)


def end_trees(
    lists: "Lists", start: EndStart, reason: str, now: float, told: Tell | None
) -> Steps[tuple[list[int], list[int]]]:
    """End all of them and write it down; their indices, and their bits.

    An update sees what was committed before it began. It waits for those who were issuing under a node that
    it ends, but misses what they have made; the next round finds that. A round that finds nothing is the
    proof: every parent is ended and locked by now, so nothing can have come after.
    """
    root = root_of(start)
    ended: list[int] = []
    bits: list[int] = []
    rows = yield END_BY[type(start)](**root, reason=reason, now=now)
    while rows:
        new = [row["idx"] for row in rows]
        ended = ended + new
        bits = bits + (yield from _bits(lists, new, now))
        rows = yield Unless(
            END_BY[type(start)](**root, reason=reason, now=now),
            *writing(start, reason, now, ended, bits, told(len(ended)) if told is not None else None),
        )
    return ended, bits


def writing(
    start: EndStart, reason: str, now: float, ended: list[int], bits: list[int], told: Bound | None
) -> tuple[list[Bound], Bound | None]:
    """What is written when all is ended; and for few ends of one node, the same together with the last round."""
    then = [INSERT_CHANGES(bits=portion) for portion in in_portions(bits)]
    if told is not None:
        then.append(told)
    then += logins_over(start, ended, now)
    if not isinstance(start, ByNode | BySession) or len(bits) > _PORTION:
        return then, None
    last = {"start": start.id, "reason": reason, "now": now, "bits": bits, "indices": ended}
    return then, FINISH(**last) if told is None else FINISH_AND_TELL(**last, **told.params)


def logins_over(start: EndStart, ended: list[int], now: float) -> list[Bound]:
    """What makes the notices due of clients that people were signed in to in what was ended. Of a client's grants
    that is told by who ends all of them.
    """
    if isinstance(start, ByClient | ByNodes):
        return []
    return [
        OVER_WITH(indices=ended[first : first + _PORTION], now=now)
        for first in range(0, len(ended), _PORTION)
    ]


def _bits(lists: "Lists", indices: list[int], now: float) -> Steps[list[int]]:
    bits: list[int] = []
    for first in range(0, len(indices), _PORTION):
        if first:
            yield LONG  # others have their turn
        refs = yield from lists.refs(indices[first : first + _PORTION], now)
        bits += [rules.bit_of(ref) for ref in refs]
    return bits


def in_portions(bits: list[int]) -> Iterable[list[int]]:
    """All of a few; of many, those that lie beside each other together: an index grows faster at one end."""
    if len(bits) <= _PORTION:
        return [bits] if bits else []
    beside = defaultdict(list)
    for bit in bits:
        beside[bit >> _BESIDE].append(bit)
    return (sorted(beside[place]) for place in sorted(beside))


def hold_start(start: EndStart, now: float) -> Steps[None]:
    """Write or lock the row that new families of `start` are opened under: who is issuing now is waited for."""
    match start:
        case ByUser(user_id, disable):
            kind = HolderKind.USER.value
            if disable:
                yield END_HOLDER(holder_kind=kind, holder_id=user_id, now=now)
            yield LOCK_HOLDER(holder_kind=kind, holder_id=user_id)
        case ByUserBut(user_id) | ByUserSessions(user_id):
            yield LOCK_HOLDER(holder_kind=HolderKind.USER.value, holder_id=user_id)
        case ByClient(client_id):
            kind = HolderKind.CLIENT.value
            yield ADD_HOLDER(holder_kind=kind, holder_id=client_id, now=now)
            yield LOCK_HOLDER(holder_kind=kind, holder_id=client_id)
        case ByNode() | ByNodes() | BySession():
            pass  # its own row is the first that the update writes


def root_of(start: EndStart) -> dict[str, Any]:
    """What the statement of this starting set is told of it."""
    match start:
        case ByNode(id):
            return {"start": id}
        case ByNodes(ids):
            return {"starts": ids}
        case BySession(id, user_id):
            return {"start": id, "owner": user_id}
        case ByUser(user_id):
            return {"start": user_id}
        case ByUserBut(user_id, keep):
            return {"start": user_id, "keep": keep}
        case ByUserSessions(user_id, keep):
            return {"start": user_id, "keep": keep or ""}  # no node has an empty id
        case ByClient(client_id):
            return {"start": client_id}
