"""Twins of the defences of the command line and of what it serves with."""

from collections.abc import Iterable, Mapping
from typing import Any

from admit.cli.token_reading import Reading


def _any_head(octets: int, headers: int) -> None:
    """However large."""


def _any_upgrade(is_asked: bool, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """With a body or without."""


def _never(waited: float) -> bool:
    return False


def _for_long(idle: float, keep_alive: float) -> float:
    return 3600.0


def _always(connected: int, most: int | None) -> bool:
    return True


def _all(most: int, descriptors: int | None) -> int:
    return most


def _as_it_is(text: str) -> str:
    return text


def _show_all(*, secret: bool, named: bool) -> None:
    """Whatever it is."""


def _any_inside(reading: Reading, inside: Reading) -> None:
    """Whatever stands inside."""


def _good_unless_refused(reading: Reading, proved: Mapping[str, Any] | None) -> bool | None:
    return not reading.reasons


def _as_they_wrote_it(user: Any) -> str:
    return str(user.email_shown)


TWINS: dict[str, Any] = {
    "admit.cli.connections:bearable": _all,
    "admit.cli.connections:has_room": _always,
    "admit.cli.http:check_head": _any_head,
    "admit.cli.user:typed": _as_they_wrote_it,
    "admit.cli.http:check_upgrade": _any_upgrade,
    "admit.cli.http:stands_still": _never,
    "admit.cli.http:time_left": _for_long,
    "admit.cli.http:too_late": _never,
    "admit.cli.jwk:check_shown": _show_all,
    "admit.cli.output:harmless": _as_it_is,
    "admit.cli.token_inspect:check_inside": _any_inside,
    "admit.cli.token_inspect:verdict": _good_unless_refused,
}
