"""Reading where the ends stand: the head, what changed since, or everything."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple

from admit.errors import StorageUnavailableError
from admit.issuer.revocation import rules
from admit.issuer.revocation.events import Bit
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.permutation import Permutation
from admit.issuer.revocation.records import ListBits, StatusState
from admit.issuer.revocation.rules import Change
from admit.issuer.revocation.store.lists import (
    KID_SEPARATOR,
    SELECT_BITS,
    SELECT_CHANGES,
    SELECT_IN_USE,
)
from admit.issuer.storage import Database, Row
from admit.tokens import status_list

MOST_CHANGES: Final = 5_000
"""Rows of the log that are read at once; further behind than this, reading everything in a thread is better."""
_TRIES: Final = 5
_PIECE: Final = 1 << 16


class Look(NamedTuple):
    """What one look shows: where the ends stand, which keys are void, and what the log has after a place.

    `changes` None: the place is of another epoch, or more changed than is read at once, or the log has a gap.
    """

    epoch: int
    seq: int
    revoked_kids: frozenset[str]
    changes: Sequence[Change] | None


class Followed(NamedTuple):
    """A later state, and the bits that were set on the way; None where they are not known one by one."""

    state: StatusState
    bits: Sequence[Bit] | None


class Reader:
    """Reads a database that others write. Holds nothing but the permutations."""

    def __init__(self, db: Database, lists: Lists) -> None:
        self._db = db
        self._lists = lists

    async def look(self, epoch: int, since: int, *, at_most: int = MOST_CHANGES) -> Look:
        """How things stand, and what changed after `since`: one statement.

        Raises:
            StorageUnavailableError: the database was not reached, or has no head.
        """
        rows = await self._db.read(SELECT_CHANGES(since=since, at_most=at_most + 1))
        now_epoch, seq = place_of(rows)
        kids = rows[0]["revoked_kids"]
        changes: Sequence[Change] | None = None
        if now_epoch == epoch and len(rows) <= at_most:
            found = [
                Change(row["at_seq"], row["list"], row["position"])
                for row in rows
                if row["at_seq"] is not None
            ]
            changes = found if rules.is_whole(since, seq, found) else None
        return Look(now_epoch, seq, frozenset(kids.split(KID_SEPARATOR)) if kids else frozenset(), changes)

    async def follow(self, held: StatusState | None, look: Look) -> Followed:
        """What holds now, made from what was held and what a look after its place showed, as far as that goes.

        Raises:
            StorageUnavailableError: the database was not reached, or changes faster than it can be read.
        """
        if held is None or look.changes is None:
            return Followed(await self._read(None), None)
        state = rules.apply_changes(replace(held, revoked_kids=look.revoked_kids), look.seq, look.changes)
        if state is not None:
            return Followed(state, rules.bits_of(look.changes))
        return Followed(await self._read(held if rules.tells_only_of_lists(look.changes) else None), None)

    async def _read(self, held: StatusState | None) -> StatusState:
        """Lists that are not held are read one after another, in a thread: each may hold a million ends.

        What is set meanwhile is in the log, and a bit is never cleared, so with it all of them stand at one place.
        """
        for _ in range(_TRIES):
            rows = await self._db.read(SELECT_IN_USE())
            epoch, seq = place_of(rows)
            if held is not None and (epoch != held.epoch or seq < held.seq):
                held = None
            kept = held.lists if held is not None else {}
            lists = {
                row["n"]: kept[row["n"]] if row["n"] in kept else await self._list(row)
                for row in rows
                if row["n"] is not None
            }
            since = seq if held is None else held.seq
            look = await self.look(epoch, since)
            if look.changes is None:
                held = None
                continue
            start = StatusState(epoch, since, MappingProxyType(lists), look.revoked_kids)
            state = rules.apply_changes(start, look.seq, look.changes, settled=seq)
            if state is not None:
                return state
        raise StorageUnavailableError("the status lists change faster than they can be read")

    async def _list(self, row: Row) -> ListBits:
        n = row["n"]
        self._lists.learn(n, row["seed_sealed"])
        found = await self._db.read_apart(SELECT_BITS(number=n))
        written = found[0]["positions"]
        return await asyncio.to_thread(bits_of, self._lists.permutation(n), written) if written else NOBODY


NOBODY: Final = rules.list_bits(status_list.EMPTY)
"""A list in which nobody was ended."""


def place_of(rows: Sequence[Row]) -> tuple[int, int]:
    """`(epoch, seq)` of an answer that has them in each row.

    Raises:
        StorageUnavailableError: the head's row is missing; no answer could be right.
    """
    if not rows:
        raise StorageUnavailableError("the status head is missing")
    return rows[0]["epoch"], rows[0]["seq"]


def bits_of(permutation: Permutation, written: str) -> ListBits:
    """The bits that a list's positions and marks, joined by commas, stand for."""
    bitmap, positions = status_list.EMPTY, []
    for position in _numbers(written):
        low = rules.low_of_mark(position)
        if low is None:
            positions.append(position)
        else:
            bitmap = status_list.merge(bitmap, permutation.bitmap_from(low))
    return rules.list_bits(status_list.with_bits(bitmap, positions))


def _numbers(written: str) -> Iterator[int]:
    """Numbers between commas, a piece of the text at a time: one call on a million would stop all other threads."""
    first = 0
    while first < len(written):
        comma = written.find(",", first + _PIECE)
        last = comma if comma >= 0 else len(written)
        yield from map(int, written[first:last].split(","))
        first = last + 1
