"""Clients that people are signed in to, and want to be told when that is over: OpenID Connect Back-Channel Logout §2.

A row is made when a client is given its first grant in a session. It is the notice itself, which waits: it becomes due
when the session expires, or at once, in the transaction that ends it. So no end can be forgotten, however it came
about, and none is told that was rolled back. Who tells it deletes it.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import Bound, Statement, any_of, metadata

client_login: Final = Table(
    "client_login",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_idx", BigInteger, nullable=False, index=True),
    Column("session_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    # 1 once it is over: another grant in the same session is a login of its own, with a notice of its own.
    Column("over", SmallInteger, nullable=False),
    # When somebody may tell it. Who takes it moves that ahead, so that it comes back when they die.
    Column("due_at", Double, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Index(None, "user_id", "client_id"),
    Index(None, "client_id", "due_at"),
)

_now = bindparam("now", type_=Double)
_GOES_ON = client_login.c.over == 0
# Whoever tried last: a worker whose time ran out changes nothing for the one that took over.
_MINE = (client_login.c.id == bindparam("login_id")) & (client_login.c.tries == bindparam("try_"))

NOTE: Final = Statement(
    insert(client_login).from_select(
        ["id", "session_idx", "session_id", "client_id", "user_id", "over", "due_at", "tries"],
        select(
            bindparam("login_id", type_=Text),
            node.c.idx,
            node.c.id,
            bindparam("of_client", type_=Text),
            bindparam("of_user", type_=Text),
            literal(0, SmallInteger),
            node.c.expires_at,
            literal(0, Integer),
        ).where(
            node.c.id == bindparam("session", type_=Text),
            ~select(client_login.c.id)
            .where(
                client_login.c.session_idx == node.c.idx,
                client_login.c.client_id == bindparam("of_client", type_=Text),
                _GOES_ON,
            )
            .exists(),
        ),
    )
)


def over(*which: ColumnElement[bool]) -> Update:
    """The end of logins that go on: told from now on."""
    return update(client_login).where(*which, _GOES_ON).values(over=1, due_at=_now)


def _over(*which: ColumnElement[bool]) -> Statement:
    return Statement(over(*which))


IN_ENDED: Final = any_of(client_login.c.session_idx, "indices")
"""In sessions that were ended; `indices` may name anything that was."""
OVER_WITH: Final = _over(IN_ENDED)
OVER_ALL: Final = _over()
OVER_OF_CLIENT: Final = _over(client_login.c.client_id == bindparam("of_client"))
_OF_USER_AND_CLIENT = (client_login.c.user_id == bindparam("of_user")) & (
    client_login.c.client_id == bindparam("of_client")
)
OVER_OF_USER_AND_CLIENT: Final = _over(_OF_USER_AND_CLIENT)
OVER_IN: Final = _over(_OF_USER_AND_CLIENT, client_login.c.session_id == bindparam("session"))

# One client after another: none waits for a slow one.
WHOSE_DUE: Final = Statement(
    select(client_login.c.client_id)
    .where(client_login.c.due_at <= _now)
    .group_by(client_login.c.client_id)
    .order_by(func.min(client_login.c.due_at))
    .limit(bindparam("most", type_=Integer))
)
# One conditional statement: of several workers, each notice has one.
CLAIM: Final = Statement(
    update(client_login)
    .where(
        client_login.c.id.in_(
            select(client_login.c.id)
            .where(client_login.c.client_id == bindparam("of_client"), client_login.c.due_at <= _now)
            .order_by(client_login.c.due_at)
            .limit(bindparam("most", type_=Integer))
            .with_for_update(skip_locked=True)
        ),
        client_login.c.due_at <= _now,
    )
    .values(over=1, due_at=bindparam("until", type_=Double), tries=client_login.c.tries + 1)
    .returning(*client_login.c)
)
TOLD: Final = Statement(delete(client_login).where(client_login.c.id == bindparam("login_id")))
LATER: Final = Statement(update(client_login).where(_MINE).values(due_at=bindparam("again_at", type_=Double)))
GIVE_UP: Final = Statement(delete(client_login).where(_MINE).returning(client_login.c.id))


def note(login_id: str, *, session_id: str, client_id: str, user_id: str) -> Bound:
    """A client is to be told when this session is over; nothing where it is to be told already."""
    return NOTE(login_id=login_id, session=session_id, of_client=client_id, of_user=user_id)


def over_in(user_id: str, client_id: str, *, session_id: str, now: float) -> Bound:
    """A client is to be told now that its user's session is over, though that goes on: its tokens were stolen."""
    return OVER_IN(of_user=user_id, of_client=client_id, session=session_id, now=now)
