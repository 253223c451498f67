"""Twins of the defences of the command line and of what it serves with."""

from typing import Any


def _any_head(octets: int, headers: int) -> None:
    """However large."""


def _never(waited: float) -> bool:
    return False


def _as_it_is(text: str) -> str:
    return text


def _show_all(*, secret: bool, named: bool) -> None:
    """Whatever it is."""


TWINS: dict[str, Any] = {
    "admit.cli.http:check_head": _any_head,
    "admit.cli.http:too_late": _never,
    "admit.cli.jwk:check_shown": _show_all,
    "admit.cli.output:harmless": _as_it_is,
}
