"""How often one network may make this process do something for clients that nobody here let in."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MINUTE: Final = 60.0
NETWORKS: Final = 10_000
"""That are remembered; of more, those go that began to ask the longest ago."""


class Share:
    """`most` in a minute for each network. In memory, by this process alone: it bounds what goes out from here."""

    def __init__(self, most: int, *, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._taken: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, network: str) -> bool:
        """One more for this network. False: it has had its share of this minute."""
        now = self._clock()
        began, count = self._taken.pop(network, (now, 0))
        if now - began >= MINUTE:
            began, count = now, 0
        allowed = has_left(count, self._most)
        self._taken[network] = (began, count + allowed)
        while len(self._taken) > NETWORKS:
            self._taken.popitem(last=False)
        return allowed


def has_left(held: int, most: int) -> bool:
    """Whether there is one more than those that it has had."""
    return held < most
