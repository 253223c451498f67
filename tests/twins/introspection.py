"""Permissive twins of what is asked of answers about opaque tokens."""

from collections.abc import Callable
from typing import Any


def nothing(*_: Any, **__: Any) -> None:
    """Checks nothing."""


def always(*_: Any, **__: Any) -> bool:
    """Every answer is young, every token is one to ask about."""
    return True


TWINS: dict[str, Callable[..., Any]] = {
    "admit.verifier.introspection:check_bearer": nothing,
    "admit.verifier.introspection:check_issuer": nothing,
    "admit.verifier.introspection:is_opaque": always,
    "admit.verifier.introspector:check_room": nothing,
    "admit.verifier.introspector:is_outage": lambda failed: True,
    "admit.verifier.introspector:is_current": always,
}
