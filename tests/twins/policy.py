"""Permissive twins of the guards' shared rules."""

from collections.abc import Callable
from typing import Any

from admit.principal import Principal
from admit.verifier.policy import Requirement


def any_scopes(principal: Principal, wanted: Requirement) -> None:
    """Whatever scopes there are."""


def any_sign_in(principal: Principal, wanted: Requirement, now: float) -> None:
    """Whoever is in, is in."""


TWINS: dict[str, Callable[..., Any]] = {
    "admit.verifier.policy:check_scopes": any_scopes,
    "admit.verifier.policy:check_sign_in": any_sign_in,
}
