"""Permissive twins of the rules that all integrations share."""

from collections.abc import Callable
from typing import Any

from admit.integrations.gate import Headers, Kept


def once_for_all(
    kept: Kept, headers: Headers, method: str, query: bytes | str, *, handshake: bool = False
) -> bool:
    """What was found first is so, whatever became of the request."""
    return True


TWINS: dict[str, Callable[..., Any]] = {"admit.integrations.gate:still_holds": once_for_all}
