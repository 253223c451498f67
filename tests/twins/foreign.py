"""Permissive twins of what is asked of other issuers, of their keys and their tokens."""

from collections.abc import Callable, Mapping
from typing import Any

from admit.jose import JWKSet
from admit.verifier.hit import Known


def nothing(*_: Any, **__: Any) -> None:
    """Checks nothing."""


def never(*_: Any, **__: Any) -> bool:
    """Nobody's key is anybody else's."""
    return False


def all_of_them(self: JWKSet, algs: frozenset[str]) -> JWKSet:
    """Every key will do."""
    return self


def whoever(known: Mapping[str, Known], issuer: object) -> Known:
    """An unknown issuer is taken for one that is known."""
    found = known.get(issuer) if isinstance(issuer, str) else None
    return found or next(iter(known.values()))


TWINS: dict[str, Callable[..., Any]] = {
    "admit.jose.jwks:JWKSet.only": all_of_them,
    "admit.verifier.choosing:choose_issuer": whoever,
    "admit.verifier.foreign:check_audience_claim": nothing,
    "admit.verifier.foreign:check_kind": nothing,
    "admit.verifier.foreign:check_required": nothing,
    "admit.verifier.keys:is_bound_elsewhere": never,
}
