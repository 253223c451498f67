"""How many connections a server holds, and which one goes when there is no room for the next.

A connection on which nothing is asked costs a descriptor and some memory, and anybody can open thousands. So the one
that has been silent for longest, or that has been sending one request for longest, makes room; a request that is whole
is always answered.
"""

from collections.abc import Callable
from typing import Final

from uvicorn.server import ServerState

_KEPT_BACK: Final = 128
"""Descriptors for the database, files, mail, and whoever is being accepted."""


def bearable(most: int, descriptors: int | None) -> int:
    """How many of `most` connections leave enough descriptors to everything else; at least three quarters of them."""
    if descriptors is None:
        return most
    return max(1, min(most, descriptors - min(_KEPT_BACK, descriptors // 4)))


def has_room(connected: int, most: int | None) -> bool:
    """Whether that many connections may stand at once."""
    return most is None or connected <= most


class Room:
    """The connections that wait for something from outside, the one that has waited for longest first.

    `most` counts all connections; None: as many as come.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._waiting: dict[object, Callable[[], None]] = {}

    def wait(self, connection: object, give_up: Callable[[], None]) -> None:
        """From now on nothing is done for this connection; `give_up` closes it."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = give_up

    def leave(self, connection: object) -> None:
        """It is gone, or a request of it is being answered."""
        self._waiting.pop(connection, None)

    def admit(self, connection: object, connected: int) -> bool:
        """Whether a new connection may stay, now that there are `connected` with it. Another may have to go for it."""
        if has_room(connected, self._most):
            return True
        oldest = next((one for one in self._waiting if one is not connection), None)
        if oldest is None:
            return False
        self._waiting.pop(oldest)()
        return True


class State(ServerState):
    """What the server tells its connections. `stopping`: answer what was begun, and close."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.stopping = False
        self.room = Room(most)
