"""Twins of the defences of sessions."""

from typing import Any

import msgspec

from admit.issuer.revocation import ByNode
from admit.issuer.sessions import rules, store
from admit.issuer.storage import Steps


def _as_it_is(raw: bytes) -> bytes:
    return raw


def _the_planted_one() -> bytes:
    return b"p" * rules.RAW_BYTES


def _leave_it(*args: Any, **kwargs: Any) -> Steps[None]:
    yield store.BY_HASH(id_hash=b"")


def _yes(**kwargs: Any) -> bool:
    return True


def _anybodys(session_id: str, user_id: str) -> ByNode:
    return ByNode(session_id)


def _everybodys(roles: Any, both: Any) -> Any:
    return both[0]


async def _bury_nothing(self: Any, id_hash: bytes) -> bool:
    return True


async def _leave_them(self: Any, rows: Any) -> None:
    pass


def _any_age(age: float | None) -> bool:
    return True


def _anywhere(id_hash: bytes) -> str:
    return ""


def _in_clear(keyring: Any, id_hash: bytes, values: list[Any]) -> bytes:
    return msgspec.msgpack.encode(values)


TWINS: dict[str, Any] = {
    "admit.issuer.sessions.copies:place_of": _anywhere,
    "admit.issuer.sessions.copies:sealed_copy": _in_clear,
    "admit.issuer.sessions.driver:Sessions._bury": _bury_nothing,
    "admit.issuer.sessions.driver:Sessions._bury_ended": _leave_them,
    "admit.issuer.sessions.finding:is_sure": _any_age,
    "admit.issuer.sessions.rules:hash_id": _as_it_is,
    "admit.issuer.sessions.rules:is_live": _yes,
    "admit.issuer.sessions.rules:limits_of": _everybodys,
    "admit.issuer.sessions.rules:same_credentials": _yes,
    "admit.issuer.sessions.driver:new_raw_id": _the_planted_one,
    "admit.issuer.sessions.transactions:end_replaced": _leave_it,
    "admit.issuer.sessions.transactions:owned": _anybodys,
}
