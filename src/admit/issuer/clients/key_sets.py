"""Parsed key sets of clients, kept by their text: as many as fit, counted in octets, since strangers write them."""

from collections import OrderedDict
from threading import Lock
from typing import Final, TypeAlias

from admit.jose import JWKSet

MOST: Final = 4 << 20
"""Octets of all texts together; a parsed set is a few times as large."""

Name: TypeAlias = tuple[bytes, str, str]


class KeySets:
    """Of more than fit, those that were not asked for the longest go. One that is larger than all of it is not kept."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held = 0
        self._sets: OrderedDict[Name, JWKSet] = OrderedDict()
        self._lock = Lock()

    @property
    def octets(self) -> int:
        """What is held."""
        return self._held

    def get(self, name: Name) -> JWKSet | None:
        """The set of this text and these assumptions."""
        with self._lock:
            found = self._sets.get(name)
            if found is not None:
                self._sets.move_to_end(name)
            return found

    def put(self, name: Name, keys: JWKSet) -> None:
        """Keep it."""
        with self._lock:
            if name in self._sets or not fits(len(name[0]), self._most):
                return
            self._sets[name] = keys
            self._held += len(name[0])
            while not fits(self._held, self._most):
                (text, *_), _ = self._sets.popitem(last=False)
                self._held -= len(text)


def fits(octets: int, most: int) -> bool:
    """Whether so much may be held."""
    return octets <= most
