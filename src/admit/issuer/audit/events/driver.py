"""`Events`: tells the application what happened. Of all nodes one tells, and another goes on when it is gone."""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from admit.issuer.audit.events import rules, store
from admit.issuer.audit.events.records import Event, EventSink
from admit.issuer.storage import Database, Row, Steps, bound_once

log = logging.getLogger("admit.issuer.events")

NAME: Final = "on_event"
AT_ONCE: Final = 100
WITHIN: Final = 10.0
"""Seconds that the application has for one event."""
LEASE: Final = 60.0
"""Seconds after which another node tells. One turn ends long before."""
TURN: Final = 30.0
FOR_NEW: Final = 2 / 3
"""The part of a turn in which new events are told; what was not taken before has the rest."""
MOST_FAILED: Final = 100
"""New ones that may fail in a turn, and old ones that are tried again: nobody takes anything, it may be."""
WHOLE_EVERY: Final = 60.0
"""Seconds between looks through the whole window, for records that came late."""


class _Waiting(NamedTuple):
    """An event of the time `at` that was not taken; it is told again at `until`."""

    at: float
    failures: int
    until: float


class Events:
    """`turn` tells what is new, the oldest first. What the application does not take is told again after a while, ever
    later, for a day, and holds up nothing else. Events begin with the first turn there ever was.
    """

    def __init__(self, db: Database, sink: EventSink, *, clock: Callable[[], float]) -> None:
        self._db = db
        self._sink = sink
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._begun = False
        self._whole_at = float("-inf")
        self._waiting: dict[str, _Waiting] = {}

    async def turn(self) -> int:
        """Tell what is new; how many were taken.

        Raises:
            StorageUnavailableError: the database was not reached; the next turn goes on.
        """
        now = self._clock()
        if not self._begun:
            await self._db.run(bound_once, store.BEGIN(name=NAME, now=now))
            self._begun = True
        claim = store.CLAIM(of_name=NAME, me=self._me, now=now, until=now + LEASE)
        rows = await self._db.run(bound_once, claim)
        if not rows:
            self._whole_at = float("-inf")  # who takes over looks at everything
            return 0
        settled: float = rows[0]["settled_until"]
        whole = not 0 <= now - self._whole_at < WHOLE_EVERY
        taken = await self._tell(settled if whole else max(settled, now - rules.RECENT), now)
        if whole:
            await self._settle(settled, now)
            self._whole_at = now
        return taken

    async def _tell(self, since: float, now: float) -> int:
        """What is new first, then what is due again. Those that were not taken use up no more than their own part."""
        loop = asyncio.get_running_loop()
        began, taken, failed, after = loop.time(), 0, 0, ""
        due: list[Row] = []
        while loop.time() < began + TURN * FOR_NEW and failed < MOST_FAILED:
            rows = await self._db.read_apart(store.UNTOLD(since=since, after=after, count=AT_ONCE))
            for row in rows:
                since, after = row["at"], row["id"]
                if (waits := self._waiting.get(after)) is not None:
                    if waits.until <= now:
                        due.append(row)
                    continue
                if loop.time() >= began + TURN * FOR_NEW or failed >= MOST_FAILED:
                    break
                if await self._is_told(row, now):
                    taken += 1
                else:
                    failed += 1
            if len(rows) < AT_ONCE:
                break
        for row in sorted(due, key=lambda row: self._waiting[row["id"]].until)[:MOST_FAILED]:
            if loop.time() >= began + TURN:
                break
            taken += await self._is_told(row, now)
        return taken

    async def _is_told(self, row: Row, now: float) -> bool:
        """Whether it was taken now, which is noted; else when it is told again."""
        if await self._is_taken(event_of(row)):
            await self._db.run(bound_once, store.NOTE(id=row["id"], at=row["at"]))
            self._waiting.pop(row["id"], None)
            return True
        before = self._waiting.get(row["id"])
        failures = before.failures + 1 if before is not None else 1
        self._waiting[row["id"]] = _Waiting(row["at"], failures, now + rules.again_after(failures))
        return False

    async def _is_taken(self, event: Event) -> bool:
        try:
            async with asyncio.timeout(WITHIN):
                await self._sink(event)
        except Exception as error:  # the application's own: its kind is told, and the event once more
            kind = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
            log.warning("an event was not taken", extra={"code": kind, "detail": f"{event.type} {event.id}"})
            return False
        return True

    async def _settle(self, settled: float, now: float) -> None:
        """Move on where everything was told, so that little is looked through and kept."""
        # What is given up keeps back nothing that is not.
        row = await self._db.one(store.OLDEST_UNTOLD(since=max(settled, now - rules.GIVEN_UP_AFTER)))
        until = rules.settled_until(now, row["at"] if row is not None else None)
        if until > settled:
            await self._db.run(move_on, self._me, until)
        self._waiting = {id: one for id, one in self._waiting.items() if one.at > until}


def move_on(me: str, until: float) -> Steps[None]:
    """Nothing before this is looked at again."""
    if (yield store.SETTLE(of_name=NAME, me=me, settled=until)):
        yield store.FORGET(before=until)


def event_of(row: Row) -> Event:
    """The event that a record of the trail is."""
    return Event(
        id=row["id"],
        type=row["event"],
        at=row["at"],
        outcome=row["outcome"],
        subject=row["user_id"],
        client_id=row["client_id"],
        session_id=row["session_id"],
        actor=row["actor"],
        detail=json.loads(row["detail"]),
    )
