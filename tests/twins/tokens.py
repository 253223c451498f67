"""Permissive twins of the defences of `admit.tokens`."""

from collections.abc import Callable, Mapping
from typing import Any

from admit.jose import JWK, JWKSet, jws
from admit.tokens.kinds import Kind


def any_claims(claims: Mapping[str, Any], kind: Kind) -> None:
    """Every kind's claims will do."""


def any_key(kid: str | None, kind: Kind) -> None:
    """Every key may sign everything."""


def kid_of_header(key: JWK | JWKSet, token: str | bytes | jws.UnverifiedJws) -> str | None:
    """What the token says of its key is so."""
    header = token.header if isinstance(token, jws.UnverifiedJws) else jws.peek_unverified_header(token)
    kid = key.kid if isinstance(key, JWK) else header.get("kid")
    return kid if isinstance(kid, str) else None


def any_nonce(named: object, nonce: str) -> None:
    """An answer to any question will do."""


TWINS: dict[str, Callable[..., Any]] = {
    "admit.tokens.kinds:check_claims": any_claims,
    "admit.tokens.kinds:check_key": any_key,
    "admit.tokens.kinds:kid_of_verifier": kid_of_header,
    "admit.tokens.status_head:check_nonce": any_nonce,
}
