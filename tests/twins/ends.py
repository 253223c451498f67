"""Permissive twins of the defences of `admit.verifier.ends`, and of what other issuers tell."""

import contextlib
from collections.abc import Callable
from typing import Any

from admit.errors import EndStoreError
from admit.verifier.ends import lines
from admit.verifier.ends.end import End


def forgotten_by_wall(end: End, at: float, wall: float, boot: float) -> bool:
    """The wall clock decides alone."""
    return wall >= end.until


def joined_as_it_is(self: Any, remembers: bool) -> None:
    """What Redis holds now is all there ever was."""
    found = self._fetch(0, (b"", b""))
    self._held = self._new_held()
    self._held.take(found.ends, since=0.0)
    self._epoch, self._seq, self._mark = found.epoch, found.last, found.mark


def never_unknown(iat: float | None, since: float) -> bool:
    """A lost store lost nothing."""
    return False


def not_to_disk(descriptor: int) -> None:
    """Acknowledge at once."""


def in_any_order(bad: bool) -> None:
    """Read on behind damage."""


def any_modes(status: Any) -> None:
    """Whoever may write."""


def always_fresh(self: Any) -> bool:
    """However long ago it was read."""
    return True


def settle_nothing(self: Any) -> None:
    """A file that is missing is begun anew and empty; what it lacks it lacks."""
    if not self.path.exists():
        self.path.write_bytes(lines.header("0123456789abcdef", 0))
    self._catch_up()


def keep_what_can_be_kept(told: Any) -> None:
    """Go on without a word."""
    for one in told:
        with contextlib.suppress(EndStoreError):
            one.store.add(one.ends)


TWINS: dict[str, Callable[..., Any]] = {
    "admit.tokens.logout:check_audience": lambda payload, ours: None,
    "admit.tokens.logout:check_event": lambda payload: None,
    "admit.tokens.logout:check_expiry": lambda payload, now, leeway: None,
    "admit.tokens.subject_identifier:is_ours": lambda issuer, issuers: True,
    "admit.verifier.ends.file:FileEndStore._settle": settle_nothing,
    "admit.verifier.ends.check:check_ended": lambda ended: None,
    "admit.verifier.ends.check:check_read": lambda store: None,
    "admit.verifier.ends.check:check_remembered": lambda wall, expires: None,
    "admit.verifier.ends.file:see_to_disk": not_to_disk,
    "admit.verifier.ends.poller:keep": keep_what_can_be_kept,
    "admit.verifier.ends.poller:pace": lambda in_a_row: 0.0,
    "admit.verifier.ends.receiver:check_new": lambda new: None,
    "admit.verifier.ends.receiver:is_authorized": lambda headers, wanted: True,
    "admit.verifier.ends.lines:check_order": in_any_order,
    "admit.verifier.ends.place:check_modes": any_modes,
    "admit.verifier.ends.redis:RedisEndStore._join": joined_as_it_is,
    "admit.verifier.ends.view:is_unknown": never_unknown,
    "admit.verifier.ends.store:PolledEndStore.is_fresh": always_fresh,
    "admit.verifier.ends.held:has_room": lambda own, others, limit: own + others <= limit,
    "admit.verifier.ends.held:may_forget": forgotten_by_wall,
}
