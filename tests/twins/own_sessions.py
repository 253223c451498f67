"""Twins of the defences around one's own sessions, and of what other sites learn."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Text, bindparam, update

from admit.issuer.app.headers import Kind
from admit.issuer.sessions import store
from admit.issuer.storage import Bound, Statement, Steps

_NAME_ANY = Statement(
    update(store.session)
    .where(store.session.c.node_id == bindparam("of_session"))
    .values(name=bindparam("new_name", type_=Text))
    .returning(store.session.c.node_id)
)
_KNOW_ANY = Statement(
    update(store.session)
    .where(store.session.c.node_id == bindparam("of_session"))
    .values(unfamiliar=0)
    .returning(store.session.c.node_id)
)


def anybodys_name(session_id: str, user_id: str, name: str | None) -> Bound:
    return _NAME_ANY(of_session=session_id, new_name=name)


def anybodys_word(session_id: str, user_id: str, witness: str) -> Bound:
    return _KNOW_ANY(of_session=session_id)


def always_fresh(*, auth_time: float, now: float, within: timedelta) -> bool:
    return True


def always_familiar(
    user_agent: str | None, ip: str | None, seen: Sequence[tuple[str, str]], *, account_age: float
) -> bool:
    return True


def nothing(*args: Any, **kwargs: Any) -> Steps[None]:
    yield from ()


def as_asked(name: str | None) -> str:
    return name or "/account"


def fetched(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Whoever asks, however."""


def shared(kind: Kind) -> dict[str, str]:
    return {}


def one_owner(domain: str) -> bool:
    return False


def reaches(domain: str, host: str) -> bool:
    return True


TWINS: dict[str, Any] = {
    "admit.issuer.sessions.store:rename_own": anybodys_name,
    "admit.issuer.sessions.store:vouch_for": anybodys_word,
    "admit.issuer.sessions.rules:is_fresh": always_fresh,
    "admit.issuer.sessions.rules:is_familiar": always_familiar,
    "admit.issuer.sessions.transactions:tell_sign_in": nothing,
    "admit.issuer.sessions.transactions:tell_ended": nothing,
    "admit.issuer.sessions.transactions:end_surplus": nothing,
    "admit.issuer.app.after_sign_in:known": as_asked,
    "admit.issuer.app.after_sign_in:path_of": as_asked,
    "admit.issuer.app.dispatch:check_fetch": fetched,
    "admit.issuer.app.dispatch:check_submitted": fetched,
    "admit.issuer.app.headers:isolation": shared,
    "admit.issuer.sessions.reach:is_shared_suffix": one_owner,
    "admit.issuer.sessions.reach:covers": reaches,
}
