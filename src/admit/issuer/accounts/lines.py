"""Who waits for a hash, and who is next: a line for each network, taken in turn. Pure; the caller holds a lock."""

from collections import OrderedDict, deque
from typing import Final, Generic, Protocol, TypeVar

KNOWN_IN_A_ROW: Final = 3
"""So many of known devices go before a stranger does, when both wait."""


def too_many_known(known: int, waiting: int) -> bool:
    """Whether known devices hold more than their share of the places, which is as they are called: three of four. Who
    has an account has known devices as well, and right passwords are not counted: without this, one who signs in
    again and again would keep all strangers out.
    """
    return known * (KNOWN_IN_A_ROW + 1) > waiting * KNOWN_IN_A_ROW


class Waiter(Protocol):
    """What stands in line: `network` is whose line it is, `known` whether the device is known to the account."""

    @property
    def network(self) -> str: ...

    @property
    def known(self) -> bool: ...


W = TypeVar("W", bound=Waiter)


class Lines(Generic[W]):
    """Each network has its turn, however many of one network wait. Known devices go before strangers, three to one,
    so that a flood of strangers does not hold them up and a flood of theirs not everybody else.
    """

    def __init__(self) -> None:
        self._lines: dict[bool, OrderedDict[str, deque[W]]] = {True: OrderedDict(), False: OrderedDict()}
        self._known_in_a_row = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, waiter: W) -> None:
        """At the end of the own network's line."""
        self._lines[waiter.known].setdefault(waiter.network, deque()).append(waiter)
        self._count += 1

    def next(self) -> W | None:
        """Whose turn it is; who is told so has left the line."""
        known = bool(self._lines[True]) and (not self._lines[False] or self._known_in_a_row < KNOWN_IN_A_ROW)
        self._known_in_a_row = self._known_in_a_row + 1 if known else 0
        lines = self._lines[known]
        if not lines:
            return None
        network, line = next(iter(lines.items()))
        waiter = line.popleft()
        self._count -= 1
        lines.move_to_end(network)
        if not line:
            del lines[network]
        return waiter

    def leave(self, waiter: W) -> bool:
        """Whether it stood in line; it does no more."""
        lines = self._lines[waiter.known]
        line = lines.get(waiter.network)
        if line is None or waiter not in line:
            return False
        line.remove(waiter)
        self._count -= 1
        if not line:
            del lines[waiter.network]
        return True

    def give_way(self, waiter: W) -> W | None:
        """Who has to leave, all places being taken, so that `waiter` can have one: the last of the longest line, as
        long as that stays no shorter than the one of `waiter` becomes. A stranger leaves for a known device; the other
        way round only where known devices hold more than three of four places. None: nobody.
        """
        known_too = waiter.known or too_many_known(sum(map(len, self._lines[True].values())), self._count)
        for known in (False, True) if known_too else (False,):
            lines = self._lines[known]
            longest = max(lines.values(), key=len, default=None)
            if longest is None:
                continue
            own = len(self._lines[waiter.known].get(waiter.network, ())) if known or not waiter.known else -1
            if len(longest) > own + 1:
                leaves = longest[-1]
                self.leave(leaves)
                return leaves
        return None
