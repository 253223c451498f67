"""The table of waiting mails and its SQL."""

from typing import Final

from sqlalchemy import (
    Column,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from admit.issuer.storage import Statement, metadata

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Text),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    # When somebody may take it. Who takes it moves that ahead, so that it comes back when they die.
    Column("due_at", Double, nullable=False, index=True),
    Column("give_up_at", Double, nullable=False),
    Column("tries", Integer, nullable=False),
)

_now = bindparam("now", type_=Double)
# Whoever tried last: a worker whose time ran out changes nothing for the one that took over.
_MINE = (outbox.c.id == bindparam("mail_id")) & (outbox.c.tries == bindparam("try_"))

INSERT: Final = Statement(insert(outbox).values({column.name: bindparam(column.name) for column in outbox.c}))
# Reads `most` keys at the most, however many wait.
HOW_MANY: Final = Statement(
    select(func.count().label("count")).select_from(
        select(outbox.c.id).limit(bindparam("most", type_=Integer)).subquery()
    )
)
ANY_DUE: Final = Statement(select(outbox.c.id).where(outbox.c.due_at <= _now).limit(1))
# One conditional statement: of several workers, each mail has one.
CLAIM: Final = Statement(
    update(outbox)
    .where(
        outbox.c.id.in_(
            select(outbox.c.id)
            .where(outbox.c.due_at <= _now)
            .order_by(outbox.c.due_at)
            .limit(bindparam("count", type_=Integer))
            .with_for_update(skip_locked=True)
        ),
        outbox.c.due_at <= _now,
    )
    .values(due_at=bindparam("until", type_=Double), tries=outbox.c.tries + 1)
    .returning(*outbox.c)
)
SENT: Final = Statement(delete(outbox).where(outbox.c.id == bindparam("mail_id")))
LATER: Final = Statement(update(outbox).where(_MINE).values(due_at=bindparam("again_at", type_=Double)))
GIVE_UP: Final = Statement(delete(outbox).where(_MINE).returning(outbox.c.id))
RESEAL: Final = Statement(
    update(outbox)
    .where(_MINE)
    .values(sealed=bindparam("body", type_=LargeBinary), user_id=bindparam("of_user", type_=Text))
    .returning(outbox.c.id)
)
FORGET_OF_USER: Final = Statement(delete(outbox).where(outbox.c.user_id == bindparam("of_user", type_=Text)))
FORGET: Final = Statement(delete(outbox).where(outbox.c.give_up_at < bindparam("before", type_=Double)))
