"""Ending a client's families when they are many, without holding anybody up.

All at once a million of them keep SQLite's one writer for as long as it takes, and nobody signs in meanwhile. So most
are ended before, some at a time, and between two portions others have their turn. Each portion is an end like any
other: it bites as soon as it is committed, and is told in the transaction that does it. Whoever asked for the end hears
of it when all of it is done, and the last transaction, which holds the client, is the proof that nothing was missed.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import ByNodes
from admit.issuer.revocation.store.ends import LIVE_OF_CLIENT, end
from admit.issuer.storage import Bound, Database, Steps

AT_ONCE: Final = 1_000
"""Families in one portion: as many as followers are told of one by one (contracts §3.5)."""
_PAUSE: Final = 0.002  # seconds: who waits meanwhile comes first, since turns are taken in order


async def end_most(
    db: Database,
    lists: Lists,
    client_id: str,
    *,
    reason: str,
    told: Callable[[int], Bound],
    now: float,
    allowed: Callable[[], Steps[bool]] | None = None,
) -> int:
    """End families of a client that were there at `now`, until fewer than `AT_ONCE` are left; how many were ended.
    `told` makes the audit record of a portion. `allowed` sees, in the transaction of each, that it may be done still;
    no more are ended once it may not.

    Raises:
        StorageUnavailableError: not reached; what was ended until then is. Ask again.
    """
    ended, after = 0, 0
    while True:
        found = await db.read_apart(LIVE_OF_CLIENT(of_client=client_id, after=after, now=now, count=AT_ONCE))
        if len(found) < AT_ONCE:
            return ended
        start = ByNodes(tuple(row["id"] for row in found))
        count = await db.run(_portion, lists, start, allowed, reason=reason, told=told, now=now)
        if count is None:
            return ended
        ended += count
        after = found[-1]["idx"]
        await _let_others_in()


def _portion(
    lists: Lists,
    start: ByNodes,
    allowed: Callable[[], Steps[bool]] | None,
    *,
    reason: str,
    told: Callable[[int], Bound],
    now: float,
) -> Steps[int | None]:
    """How many families it was; None: it may not be done any more."""
    if allowed is not None and not (yield from allowed()):
        return None
    return (yield from end(lists, start, reason=reason, now=now, told=told))


async def _let_others_in() -> None:
    await asyncio.sleep(_PAUSE)
