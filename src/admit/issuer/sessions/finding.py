"""Where a look-up reads: a copy in Redis that can be believed, else the database."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from admit.errors import UnavailableError
from admit.issuer.sessions import store
from admit.issuer.sessions.copies import Copies, Values
from admit.issuer.storage import Database

SURE: Final = 1.0
"""Seconds. A process that learned of all ends this short a time ago believes a copy without asking the database."""
BURIED_AT_ONCE: Final = 16

Stands = Callable[[int], float | None]
"""How many seconds ago it was known that the family of an index was not ended. None: it was, or nobody knows."""


def unknown(idx: int) -> float | None:
    """Nothing is known of ends here, so that the database is asked each time."""
    return None


class Finder:
    """Reads one session's row. `bound` is for how many seconds a copy is believed while the database is away."""

    def __init__(
        self, db: Database, *, copies: Copies | None = None, stands: Stands = unknown, bound: float = SURE
    ) -> None:
        self._db = db
        self._stands = stands
        self._bound = bound
        self.copies = copies

    async def values(self, id_hash: bytes, now: float) -> Values | None:
        """The row of `store.FIND`, ended sessions included where the database told.

        Raises:
            UnavailableError: the database was not reached, and no copy can be believed.
        """
        if self.copies is None:  # the hot path of most deployments
            rows = await self._db.read(store.FIND(id_hash=id_hash))
            return tuple(cast(Any, rows[0])) if rows else None
        copy = await self.copies.get(id_hash, now)
        age = None if copy is None else self._stands(copy[store.PLACE_OF_IDX])
        if copy is not None and is_sure(age):
            return copy
        try:
            rows = await self._db.read(store.FIND(id_hash=id_hash))
        except UnavailableError:
            if age is None or age > self._bound:
                raise
            return copy
        if not rows:
            return None
        values = tuple(cast(Any, rows[0]))
        if copy is None and values[store.PLACE_OF_END] is None:
            self.copies.put(id_hash, values, now)
        return values

    async def bury(self, id_hash: bytes) -> bool:
        """See that no copy under this id is believed any more. False: that cannot be told."""
        return self.copies is None or await self.copies.bury(id_hash)

    async def bury_all(self, id_hashes: Sequence[bytes]) -> None:
        """The same of several, some at a time. The rest is left where Redis answers for none of them: whoever waits
        would wait for each.
        """
        for first in range(0, len(id_hashes), BURIED_AT_ONCE):
            some = id_hashes[first : first + BURIED_AT_ONCE]
            if not any(await asyncio.gather(*(self.bury(id_hash) for id_hash in some))):
                return

    def drop(self, id_hash: bytes) -> None:
        """What a copy says is old."""
        if self.copies is not None:
            self.copies.drop(id_hash)


def is_sure(age: float | None) -> bool:
    """A copy is believed only by who knows of every end until a moment ago: Redis knows of none."""
    return age is not None and age <= SURE
