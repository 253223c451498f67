"""Raising the epoch: what is done after the database went back in time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy import column as column_
from sqlalchemy import table as table_
from sqlalchemy.sql.base import Executable

from admit.issuer.revocation import rules
from admit.issuer.revocation.store.lists import INSERT_CHANGE, SELECT_LISTS, SELECT_TOP, add_list
from admit.issuer.revocation.store.logins import OVER_ALL
from admit.issuer.revocation.store.tables import node, status_head
from admit.issuer.storage import LONG, PUBLISH, Bound, DialectName, Row, Statement, Steps

if TYPE_CHECKING:
    from admit.issuer.revocation.lists import Lists

_SEQUENCE = table_("sqlite_sequence", column_("name"), column_("seq"))


def _lock_nodes(dialect: DialectName) -> Executable:
    """Wait for who is opening families, and let nobody begin. SQLite has one writer anyway."""
    return text("LOCK TABLE node IN SHARE ROW EXCLUSIVE MODE") if dialect == "postgresql" else select(1)


def _forget_sequence(dialect: DialectName) -> Executable:
    if dialect == "postgresql":
        return select(1)  # its setval needs no room
    return delete(_SEQUENCE).where(_SEQUENCE.c.name == node.name)


def _set_sequence(dialect: DialectName) -> Executable:
    last = bindparam("last_idx", type_=node.c.idx.type)
    if dialect == "postgresql":
        return select(func.setval(func.pg_get_serial_sequence("node", "idx"), last))
    return insert(_SEQUENCE).values(name=node.name, seq=last)


LOCK_NODES: Final = Statement(_lock_nodes)
FORGET_SEQUENCE: Final = Statement(_forget_sequence)
SET_SEQUENCE: Final = Statement(_set_sequence)
SET_EPOCH: Final = Statement(
    update(status_head).values(epoch=bindparam("new_epoch")).returning(status_head.c.epoch)
)
SELECT_EPOCH: Final = Statement(select(status_head.c.epoch, status_head.c.seq).with_for_update())


END_ALL: Final = Statement(
    update(node)
    .where(node.c.ended_at.is_(None), node.c.expires_at > bindparam("now"))
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"))
)
RESTORED: Final = "restored"
"""The reason that an epoch raise writes beside what it ends."""


def raise_epoch(
    lists: "Lists",
    *,
    now: float,
    keep_older_families: bool = False,
    told: Bound | None = None,
    above: int = 0,
) -> Steps[int]:
    """Make verifiers that saw more than this database holds trust it again; the new epoch.

    Ends every family, since an end that was acknowledged after the backup is not known here, so that none of them may
    live again. With `keep_older_families` those that the database knows as alive stay: right only where it lost
    nothing but newer families. Either way, those that were opened after the backup, or that a failover lost, are over:
    they have indices above the greatest that is stored. New families get lists that nobody has seen. `told` is the
    audit record; `above` an epoch that verifiers may have seen, though this database has not.
    """
    yield LONG
    yield LOCK_NODES()
    rows = yield SELECT_TOP()
    top_idx, top_list = rows[0]["idx"], rows[0]["n"]
    first_unknown = 0 if top_idx is None else top_idx + 1
    in_use = yield SELECT_LISTS()
    if keep_older_families:
        yield from mark_ended(in_use, first_unknown)
    else:
        yield from end_older(in_use, now)
    fresh = (-1 if top_list is None else top_list) + rules.EPOCH_JUMP
    for n in (fresh, fresh + 1):
        yield from add_list(lists, n, now=now)
    yield FORGET_SEQUENCE()
    yield SET_SEQUENCE(last_idx=(fresh << rules.LIST_BITS) - 1)
    head = yield SELECT_EPOCH()
    epoch = rules.next_epoch(max(head[0]["epoch"], above), now)
    yield SET_EPOCH(new_epoch=epoch)
    if told is not None:
        yield told
    yield PUBLISH
    return epoch


def mark_ended(in_use: Sequence[Row], first: int) -> Steps[None]:
    """Set the bit of the index `first`, and of all above it, in every list in use."""
    for row in in_use:
        low = first - (row["n"] << rules.LIST_BITS)
        if low <= rules.LOW_MASK:
            yield INSERT_CHANGE(number=row["n"], at_position=rules.mark_from(max(low, 0)))


def end_older(in_use: Sequence[Row], now: float) -> Steps[None]:
    """End every family there is, known or not: a million of them are one mark a list, and one statement."""
    yield from mark_ended(in_use, 0)
    yield END_ALL(now=now, reason=RESTORED)
    yield OVER_ALL(now=now)
