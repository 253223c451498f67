"""Twins of the defences of sign-in by JSON."""

from typing import Any

from sqlalchemy import bindparam, select

from admit.issuer.grants.flows import hash_handle
from admit.issuer.grants.store import flows as store
from admit.issuer.storage import Row, Statement, Steps

_AT = Statement(select(store.sign_in_flow).where(store.sign_in_flow.c.id_hash == bindparam("of_flow")))


def _yes(*args: Any, **kwargs: Any) -> bool:
    return True


def _ignore(*args: Any, **kwargs: Any) -> None:
    """Let it pass."""


def _copied(
    handle: str, next_handle: str, *, client_id: str, browser: bytes, waits: bool, now: float
) -> Steps[Row | None]:
    """Whoever brings it, for whatever step, however often."""
    rows = yield _AT(of_flow=hash_handle(handle))
    if not rows:
        return None
    row = rows[0]
    yield store.INSERT(
        id_hash=hash_handle(next_handle),
        client_id=client_id,
        binding_hash=row["binding_hash"],
        request=row["request"],
        expires_at=now + 600,
    )
    if row["waiting"] is not None:
        yield store.WAIT(of_flow=hash_handle(next_handle), sign_in=row["waiting"], now=now)
    return row


TWINS: dict[str, Any] = {
    "admit.issuer.app.routes.api_login:may_take_passwords": _yes,
    "admit.issuer.app.first_party:check_page": _ignore,
    "admit.issuer.clients.rules:check_api_login": _ignore,
    "admit.issuer.clients.rules:check_kept": _ignore,
    "admit.issuer.grants.flows:advance": _copied,
    "admit.issuer.oauth.authorize.direct:has_challenge": _yes,
}
