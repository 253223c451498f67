"""Opening a family, and holding it while something is issued under it."""

from secrets import token_urlsafe
from typing import Final

from sqlalchemy import bindparam, insert, select

from admit.issuer.revocation import rules
from admit.issuer.revocation.records import Node, NodeKind
from admit.issuer.revocation.store.holders import share_client, share_user
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import Row, Statement, Steps

_ID_BYTES = 16
_COLUMNS = (
    node.c.idx,
    node.c.id,
    node.c.kind,
    node.c.parent_id,
    node.c.user_id,
    node.c.client_id,
    node.c.created_at,
    node.c.expires_at,
)
_LIVE = (node.c.ended_at.is_(None), node.c.expires_at > bindparam("now"))

SELECT_NODE: Final = Statement(select(*_COLUMNS).where(node.c.id == bindparam("node_id"), *_LIVE))
"""A live node by `node_id`, as of `now`."""
SHARE_NODE: Final = Statement(
    select(*_COLUMNS).where(node.c.id == bindparam("node_id"), *_LIVE).with_for_update(read=True)
)
INSERT_NODE: Final = Statement(
    insert(node)
    .values(
        id=bindparam("node_id"),
        kind=bindparam("kind"),
        parent_id=bindparam("parent_id"),
        user_id=bindparam("user_id"),
        client_id=bindparam("client_id"),
        created_at=bindparam("now"),
        expires_at=bindparam("expires_at"),
    )
    .returning(node.c.idx)
)


def node_of(row: Row) -> Node:
    """The node in a row with the columns of `SELECT_NODE`."""
    return Node(
        idx=row["idx"],
        id=row["id"],
        kind=NodeKind(row["kind"]),
        parent_id=row["parent_id"],
        user_id=row["user_id"],
        client_id=row["client_id"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def lock_node(id: str, now: float) -> Steps[Node | None]:
    """Take a share of a live node until COMMIT, so that an end waits for what is issued under it now, or comes first.

    None: ended, expired or unknown. Nothing may be issued.
    """
    rows = yield SHARE_NODE(node_id=id, now=now)
    return node_of(rows[0]) if rows else None


def open_node(
    *,
    kind: NodeKind | str,
    parent_id: str | None = None,
    user_id: str | None = None,
    client_id: str | None = None,
    expires_at: float,
    now: float,
) -> Steps[Node | None]:
    """Open a family under its parent node, else under its user, else under its client.

    What it hangs from is held until COMMIT, so that an end either sees the new node or keeps it from being
    made. A node outlives neither its parent nor `expires_at`. None: what it hangs from is over.

    Raises:
        ValueError: the kind wants another parent, user or client than is given.
    """
    kind = NodeKind(kind)
    rules.check_place(kind, parent_id=parent_id, user_id=user_id, client_id=client_id)
    # Holders before nodes: ends take them in this order too.
    alive = yield from _share_holders(parent_id, user_id, client_id, now)
    if not alive:
        return None
    if parent_id is not None:
        parent = yield from lock_node(parent_id, now)
        if parent is None:
            return None
        expires_at = min(expires_at, parent.expires_at)
    if expires_at <= now:
        return None
    id = token_urlsafe(_ID_BYTES)
    rows = yield INSERT_NODE(
        node_id=id,
        kind=kind.value,
        parent_id=parent_id,
        user_id=user_id,
        client_id=client_id,
        expires_at=expires_at,
        now=now,
    )
    return Node(
        idx=rows[0]["idx"],
        id=id,
        kind=kind,
        parent_id=parent_id,
        user_id=user_id,
        client_id=client_id,
        created_at=now,
        expires_at=expires_at,
    )


def _share_holders(
    parent_id: str | None, user_id: str | None, client_id: str | None, now: float
) -> Steps[bool]:
    """A parent stands for its user: disabling the user ends it. Nothing stands for the client but its own row."""
    if client_id is not None:
        alive = yield from share_client(client_id, now)
        if not alive:
            return False
    if parent_id is None and user_id is not None:
        alive = yield from share_user(user_id)
        return alive
    return True
