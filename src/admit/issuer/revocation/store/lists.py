"""Making lists, and reading the whole of them."""

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)

from admit.issuer.keys.store import signing_key
from admit.issuer.revocation import rules
from admit.issuer.revocation.store.tables import node, status_batch, status_change, status_head, status_list
from admit.issuer.storage import (
    PUBLISH,
    DialectName,
    Statement,
    Steps,
    any_of,
    insert_or_ignore,
    list_of,
    tx_id,
)

if TYPE_CHECKING:
    from admit.issuer.revocation.lists import Lists

KID_SEPARATOR: Final = " "
_ALWAYS: Final = true()
_IN_USE = status_list.c.dropped_at.is_(None)

SELECT_LISTS: Final = Statement(
    select(status_list.c.n, status_list.c.seed_sealed).where(_IN_USE).order_by(status_list.c.n)
)
SELECT_SEEDS: Final = Statement(
    select(status_list.c.n, status_list.c.seed_sealed, status_list.c.dropped_at).where(
        any_of(status_list.c.n, "numbers")
    )
)
SELECT_TOP: Final = Statement(
    select(
        select(func.max(node.c.idx)).scalar_subquery().label("idx"),
        select(func.max(status_list.c.n)).scalar_subquery().label("n"),
    )
)
INSERT_LIST: Final = Statement(
    insert_or_ignore(status_list)
    .values(n=bindparam("number"), seed_sealed=bindparam("sealed"), created_at=bindparam("now"))
    .returning(status_list.c.n)
)
INSERT_CHANGE: Final = Statement(
    insert_or_ignore(status_change).values(
        tx=tx_id(), list=bindparam("number"), position=bindparam("at_position")
    )
)


def set_bits(dialect: DialectName, only: ColumnElement[bool] = _ALWAYS) -> Insert:
    """Write down any number of `bits`, if `only` holds."""
    given = list_of("bits", BigInteger())
    bit: ColumnElement[int] = (
        func.json_each(given).table_valued("value").c.value
        if dialect == "sqlite"
        else func.unnest(given).column_valued("bit")
    )
    each = select(
        tx_id(), bit.bitwise_rshift(literal(rules.LIST_BITS)), bit.bitwise_and(literal(rules.LOW_MASK))
    ).where(bit >= 0, only)  # SQLite cannot tell ON CONFLICT from a join's ON without a WHERE
    columns = [status_change.c.tx, status_change.c.list, status_change.c.position]
    return insert_or_ignore(status_change).from_select(columns, each)


INSERT_CHANGES: Final = Statement(set_bits)
"""Write down that `bits` (`rules.bit_of`) were set. The caller publishes."""

SELECT_HEAD: Final = Statement(select(status_head.c.epoch, status_head.c.seq))
_REVOKED_KIDS = (
    select(func.aggregate_strings(signing_key.c.kid, KID_SEPARATOR))
    .where(signing_key.c.revoked_at.is_not(None))
    .scalar_subquery()
    .label("revoked_kids")
)


def _changes(dialect: DialectName) -> Select[Any]:
    """A few rows at the end of long tables. PostgreSQL takes new tables for short ones, and would read all of the log
    at each look, so it is left nothing but the keys.
    """
    head: FromClause = status_head
    change: FromClause = status_change
    of_batch: ColumnElement[bool] = status_change.c.tx == status_batch.c.tx
    if dialect == "postgresql":
        head = select(status_head.c.epoch, status_head.c.seq).limit(literal_column("1")).subquery("head")
        change = select(status_change).where(of_batch).offset(literal_column("0")).lateral("change")
        of_batch = true()
    after = (
        (status_batch.c.epoch == head.c.epoch)
        & (status_batch.c.seq > bindparam("since"))
        & (status_batch.c.seq <= head.c.seq)
    )
    return (
        select(
            head.c.epoch,
            head.c.seq,
            _REVOKED_KIDS,
            status_batch.c.seq.label("at_seq"),
            change.c.list,
            change.c.position,
        )
        .select_from(head.outerjoin(status_batch, after).outerjoin(change, of_batch))
        .order_by(status_batch.c.seq)
        .limit(bindparam("at_most", type_=Integer))
    )


SELECT_CHANGES: Final = Statement(_changes)
"""Where the ends stand, which keys are void, and what changed after `since`: one moment, and one round trip a look.

The last seq may be cut by `at_most`.
"""


SELECT_IN_USE: Final = Statement(
    select(status_head.c.epoch, status_head.c.seq, status_list.c.n, status_list.c.seed_sealed).select_from(
        status_head.outerjoin(status_list, _IN_USE)
    )
)
"""Where the ends stand, and every list in use: one statement, so one moment."""
SELECT_BITS: Final = Statement(
    select(func.aggregate_strings(cast(status_change.c.position, Text), ",").label("positions")).where(
        status_change.c.list == bindparam("number"),
        status_change.c.position > literal(rules.LISTS_CHANGED, Integer),
    )
)
"""The positions and marks of one list as one text; NULL where there are none."""


def add_lists(lists: "Lists", *, now: float) -> Steps[int]:
    """Make the list in use and its spare, where they are missing; how many. Of several nodes one makes them."""
    rows = yield SELECT_TOP()
    made = 0
    for n in rules.lists_needed(rows[0]["idx"], rows[0]["n"]):
        made += yield from add_list(lists, n, now=now)
    if made:
        yield PUBLISH
    return made


def add_list(lists: "Lists", n: int, *, now: float) -> Steps[int]:
    """Make one list and mark the change; 0 where another node was first. The caller publishes."""
    added = yield INSERT_LIST(number=n, sealed=lists.new_seed(n), now=now)
    if added:
        yield INSERT_CHANGE(number=n, at_position=rules.LISTS_CHANGED)
    return len(added)
