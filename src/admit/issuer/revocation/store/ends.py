"""Ending families: one routine, four starting sets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, bindparam, or_, select, update

from admit.issuer.revocation.records import (
    ByClient,
    ByNode,
    ByUser,
    ByUserSessions,
    EndStart,
    HolderKind,
    NodeKind,
)
from admit.issuer.revocation.store.holders import ADD_HOLDER, END_HOLDER, LOCK_HOLDER
from admit.issuer.revocation.store.lists import INSERT_CHANGE
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import PUBLISH, Many, Statement, Steps

if TYPE_CHECKING:
    from admit.issuer.revocation.lists import Lists


def _end_tree(root: ColumnElement[bool]) -> Statement:
    """End what is alive in the trees below `root`, and return it. Ended nodes are walked through, not ended again."""
    tree = select(node.c.id).where(root).cte("tree", recursive=True)
    child = node.alias("child")
    tree = tree.union(select(child.c.id).join(tree, child.c.parent_id == tree.c.id))
    # In one order, so that two ends that meet do not hold each other up.
    doomed = (
        select(node.c.idx)
        .where(node.c.id.in_(select(tree.c.id)), node.c.ended_at.is_(None))
        .order_by(node.c.idx)
        .with_for_update(key_share=True)
    )
    return Statement(
        update(node)
        .where(node.c.idx.in_(doomed), node.c.ended_at.is_(None))
        .values(ended_at=bindparam("now"), end_reason=bindparam("reason"))
        .returning(node.c.idx)
    )


# Below a node that was ended before, everything is ended; only what this end has just reached is walked again.
_OPEN = or_(node.c.ended_at.is_(None), node.c.ended_at >= bindparam("now"))

END_BY: Final[Mapping[type[EndStart], Statement]] = {
    ByNode: _end_tree(node.c.id == bindparam("start")),
    ByUser: _end_tree((node.c.user_id == bindparam("start")) & _OPEN),
    ByUserSessions: _end_tree(
        (node.c.user_id == bindparam("start"))
        & (node.c.kind == NodeKind.SESSION.value)
        & (node.c.id != bindparam("keep"))
        & _OPEN
    ),
    ByClient: _end_tree((node.c.client_id == bindparam("start")) & _OPEN),
}


def end(lists: "Lists", start: EndStart, *, reason: str, now: float) -> Steps[int]:
    """End every live family of `start` and set its bit; how many were ended.

    Belongs into the transaction of what causes it: the logout, the disabling, the reuse. When that
    transaction is committed no family of `start` is alive, whatever was being issued meanwhile; each
    verifier refuses its tokens within its `max_staleness`. `reason` is a word for the audit, such as
    `logout`.
    """
    yield from hold_start(start, now)
    ended = yield from end_trees(start, reason, now)
    refs = yield from lists.refs(ended, now)
    if refs:
        yield Many(INSERT_CHANGE, [{"number": ref.list, "at_position": ref.position} for ref in refs])
        yield PUBLISH
    return len(ended)


def hold_start(start: EndStart, now: float) -> Steps[None]:
    """Write or lock the row that new families of `start` are opened under: who is issuing now is waited for."""
    match start:
        case ByUser(user_id, disable):
            kind = HolderKind.USER.value
            if disable:
                yield END_HOLDER(holder_kind=kind, holder_id=user_id, now=now)
            yield LOCK_HOLDER(holder_kind=kind, holder_id=user_id)
        case ByUserSessions(user_id):
            yield LOCK_HOLDER(holder_kind=HolderKind.USER.value, holder_id=user_id)
        case ByClient(client_id):
            kind = HolderKind.CLIENT.value
            yield ADD_HOLDER(holder_kind=kind, holder_id=client_id, now=now)
            yield LOCK_HOLDER(holder_kind=kind, holder_id=client_id)
        case ByNode():
            pass  # its own row is the first that the update writes


def end_trees(start: EndStart, reason: str, now: float) -> Steps[list[int]]:
    """The indices of all that was ended.

    An update sees what was committed before it began. It waits for those who were issuing under a node that
    it ends, but misses what they have made; the next round finds that. A round that finds nothing is the
    proof: every parent is ended and locked by now, so nothing can have come after.
    """
    root = root_of(start)
    ended: list[int] = []
    while True:
        rows = yield END_BY[type(start)](**root, reason=reason, now=now)
        if not rows:
            return ended
        ended.extend(row["idx"] for row in rows)


def root_of(start: EndStart) -> dict[str, str]:
    """What the statement of this starting set is told of it."""
    match start:
        case ByNode(id):
            return {"start": id}
        case ByUser(user_id):
            return {"start": user_id}
        case ByUserSessions(user_id, keep):
            return {"start": user_id, "keep": keep or ""}  # no node has an empty id
        case ByClient(client_id):
            return {"start": client_id}
