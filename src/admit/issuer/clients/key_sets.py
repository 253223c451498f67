"""Parsed key sets of clients, kept by their text: as many as fit, counted in octets, since strangers write them."""

from collections import OrderedDict
from typing import Final, TypeAlias

from admit.jose import JWKSet

MOST: Final = 4 << 20
"""Octets of all texts together; a parsed set is a few times as large."""

Name: TypeAlias = tuple[bytes, str, str]


class KeySets:
    """Of more than fit, those that were not asked for the longest go. One that is larger than all of it is not kept."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sets: OrderedDict[Name, JWKSet] = OrderedDict()

    @property
    def octets(self) -> int:
        """What is held: counted anew each time, so that no two threads can make it wrong."""
        return sum(len(text) for text, *_ in tuple(self._sets))

    def get(self, name: Name) -> JWKSet | None:
        """The set of this text and these assumptions."""
        found = self._sets.pop(name, None)
        if found is not None:
            self._sets[name] = found
        return found

    def put(self, name: Name, keys: JWKSet) -> None:
        """Keep it."""
        if not fits(len(name[0]), self._most):
            return
        self._sets[name] = keys
        while not fits(self.octets, self._most):
            self._sets.popitem(last=False)


def fits(held: int, most: int) -> bool:
    """Whether so much may be held."""
    return held <= most
