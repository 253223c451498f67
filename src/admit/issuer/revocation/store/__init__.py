"""Tables and statements of revocation: nodes and holders, ends, lists, head.

Functions that return `Steps` are run by `Database.run`, alone or inside another transaction by `yield from`.
"""

from admit.issuer.revocation.store.ends import end, hold_start
from admit.issuer.revocation.store.epoch import raise_epoch
from admit.issuer.revocation.store.holders import add_holder, end_holder, restore_holder, share_user
from admit.issuer.revocation.store.nodes import SELECT_NODE, lock_node, node_of, open_node
from admit.issuer.revocation.store.tables import (
    holder,
    node,
    status_batch,
    status_change,
    status_head,
    status_list,
)

__all__ = [
    "SELECT_NODE",
    "add_holder",
    "end",
    "end_holder",
    "hold_start",
    "holder",
    "lock_node",
    "node",
    "node_of",
    "open_node",
    "raise_epoch",
    "restore_holder",
    "share_user",
    "status_batch",
    "status_change",
    "status_head",
    "status_list",
]
