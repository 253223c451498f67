"""Twins of the defences of grants."""

import hashlib
from base64 import urlsafe_b64encode
from itertools import count
from typing import Any

from sqlalchemy import bindparam, select, update

from admit.issuer.grants.store.codes import authorization_code
from admit.issuer.grants.store.families import FIND, grant_family
from admit.issuer.grants.store.interactions import interaction
from admit.issuer.storage import Bound, Row, Statement, Steps

_numbers = count()
_SPEND = Statement(
    update(authorization_code)
    .where(authorization_code.c.code_hash == bindparam("of_code"))
    .values(spent_at=bindparam("now"))
)
_ROTATE = Statement(
    update(grant_family)
    .where(grant_family.c.node_id == bindparam("family"))
    .values(generation=grant_family.c.generation + 1, rotated_at=bindparam("now"), used_at=bindparam("now"))
)
_INTERACTION = Statement(select(interaction))


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _no(*args: Any, **kwargs: Any) -> bool:
    return False


def _no_fault(*args: Any, **kwargs: Any) -> None:
    return None


def _plain(code: str) -> bytes:
    return code.encode("utf-8", "surrogatepass")


def _counted() -> str:
    return f"code-{next(_numbers):040}"


def _mark_without_looking(code_hash: bytes, now: float) -> Steps[bool]:
    yield _SPEND(of_code=code_hash, now=now)
    return True


def _raise_without_looking(family: Any, after: int, now: float) -> Steps[bool]:
    yield _ROTATE(family=family.id, now=now)
    return True


def _mac_without_key(key: bytes, family: str, generation: int, salt: bytes) -> str:
    digest = hashlib.sha256(salt + f"{family}.{generation}".encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _any_browser(binding: bytes) -> bytes:
    return b"any"


def _look_without_ending(handle: str, binding: bytes, now: float) -> Bound:
    return _INTERACTION()


def _anybodys(family: str, user_id: str) -> Steps[Row | None]:
    rows = yield FIND(family=family)
    return rows[0] if rows else None


def _notice_nothing(*args: Any, **kwargs: Any) -> Steps[None]:
    yield from ()


def _none(**known: Any) -> None:
    return None


TWINS: dict[str, Any] = {
    "admit.issuer.grants.interactions:check_room": _no_fault,
    "admit.issuer.app.routes.authorize:check_length": _no_fault,
    "admit.issuer.grants.ends:is_its_own": _yes,
    "admit.issuer.grants.rules:verify_pkce": _yes,
    "admit.issuer.grants.rules:well_formed_verifier": _yes,
    "admit.issuer.grants.rules:is_reuse": _no,
    "admit.issuer.grants.rules:is_current": _yes,
    "admit.issuer.grants.rules:bound_to": _no_fault,
    "admit.issuer.grants.rules:over": _no_fault,
    "admit.issuer.grants.rules:belongs_to_client": _yes,
    "admit.issuer.grants.rules:redirect_uri_repeated": _yes,
    "admit.issuer.grants.rules:unexpired": _yes,
    "admit.issuer.grants.rules:unspent": _yes,
    "admit.issuer.grants.refresh_token:is_genuine": _yes,
    "admit.issuer.grants.refresh_token:compute_mac": _mac_without_key,
    "admit.issuer.grants.codes:hash_code": _plain,
    "admit.issuer.grants.codes:new_code": _counted,
    "admit.issuer.grants.codes:spend": _mark_without_looking,
    "admit.issuer.grants.ends:owned": _anybodys,
    "admit.issuer.grants.refreshing:rotate": _raise_without_looking,
    "admit.issuer.grants.interactions:hash_binding": _any_browser,
    "admit.issuer.grants.interactions:finish": _look_without_ending,
    "admit.issuer.grants.codes:notice_reuse": _notice_nothing,
    "admit.issuer.grants.rules:sent_again": _none,
}
