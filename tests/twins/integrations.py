"""Permissive twins of the rules that all integrations share."""

from collections.abc import Callable
from typing import Any

from admit.integrations.gate import Headers, Kept


def once_for_all(
    kept: Kept, headers: Headers, method: str, query: bytes | str, *, handshake: bool = False
) -> bool:
    """What was found first is so, whatever became of the request."""
    return True


def by_any_method(method: str) -> bool:
    """A link is a link."""
    return True


def as_sent(pair: str) -> str:
    """What is refused harms nobody."""
    return pair


def any_waiver(waived: object) -> None:
    """Whoever asks for it means it."""


def as_before(vary: Any, cache_control: bool, **_: Any) -> tuple[tuple[str, str], ...]:
    """Caches will know."""
    return ()


def as_others_have_it(request: Any) -> None:
    """Django keeps what it likes."""


TWINS: dict[str, Callable[..., Any]] = {
    "admit.integrations.caching:additions": as_before,
    "admit.integrations.django.requests:not_to_be_cached": as_others_have_it,
    "admit.integrations.gate:still_holds": once_for_all,
    "admit.integrations.query_token:check_waiver": any_waiver,
    "admit.integrations.query_token:hidden": as_sent,
    "admit.integrations.query_token:only_reads": by_any_method,
}
