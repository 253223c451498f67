"""Deleting what is over from a table of any size, without holding anybody up.

A statement that deletes all at once keeps SQLite's one writer, or a million row locks, for as long as it takes. Here
what is over is looked for outside of any transaction, some rows at a time in the order of the primary key, and deleted
in transactions that are as short as `pace` says. It needs no index but the primary key's, so that those who write pay
nothing for it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Integer, Select, Table, bindparam, delete, select

from admit.issuer.storage.database import Database
from admit.issuer.storage.pace import LOOK_AIM, Pace
from admit.issuer.storage.statement import Statement, Steps

T = TypeVar("T")

LOOKED_AT: Final = 1_000  # rows at a time, at most


async def portion(
    db: Database,
    pace: Pace,
    rows: int,
    job: Callable[[], Steps[T]],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> T:
    """Run `job`, which sees to so many rows, as one transaction; its value. Then rest.

    One portion at a time, of all sweeps of a process: who signs in meanwhile waits for one, not for three. Its time is
    that from its first statement to after its COMMIT; to wait for others is not its fault.

    Raises:
        StorageUnavailableError: not reached; nothing of it is done.
    """
    began = 0.0

    def timed() -> Steps[T]:
        nonlocal began
        began = clock()
        return (yield from job())

    async with db.sweeping:
        value = await db.run(timed)
        await asyncio.sleep(pace.took(rows, clock() - began))
    return value


async def look(db: Database, pace: Pace, rows: int, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` read of so many rows of a table, outside of any transaction. Then rest, as after a portion.

    Raises:
        StorageUnavailableError: not reached.
    """
    async with db.sweeping:
        began = time.perf_counter()
        found = await work()
        await asyncio.sleep(pace.took(rows, time.perf_counter() - began))
    return found


class Walk:
    """Goes through a table in the order of `key` (text, bytes, or numbers from 1) and finds rows of `found`, some at a
    time. `found` is a SELECT of the key, labelled "key", with what is looked for; its parameters are given by name.
    """

    def __init__(self, key: ColumnElement[Any], found: Select[Any], *, looked_at: int = LOOKED_AT) -> None:
        self._looked_at = looked_at
        kind = key.type.python_type
        self.first: Any = b"" if kind is bytes else 0 if kind is int else ""
        after, last = key > bindparam("after", type_=key.type), key <= bindparam("last", type_=key.type)
        some = (
            select(key.label("key"))
            .where(after)
            .order_by(key)
            .limit(bindparam("count", type_=Integer))
            .subquery()
        )
        self.find_last = Statement(select(some.c.key).order_by(some.c.key.desc()).limit(1))
        """Where a look ends that goes through `count` rows after `after`. None: the table is at its end."""
        self.find = Statement(found.where(after, last).order_by(key))

    async def look(
        self, db: Database, pace: Pace, after: Any, **parameters: Any
    ) -> tuple[Any, Sequence[Any]]:
        """Where to go on, and the keys that were found among some rows after `after`. None: there were no more rows."""
        count = pace.rows

        async def read() -> tuple[Any, Sequence[Any]]:
            ends = await db.read_apart(self.find_last(after=after, count=count))
            if not ends:
                return None, ()
            last = ends[0]["key"]
            found = await db.read_apart(self.find(after=after, last=last, **parameters))
            return last, [row["key"] for row in found]

        return await look(db, pace, count, read)

    async def all(self, db: Database, **parameters: Any) -> AsyncIterator[Sequence[Any]]:
        """The keys found by each look, to the end of the table.

        Raises:
            StorageUnavailableError: not reached.
        """
        pace = Pace(rows=self._looked_at, least=100, most=self._looked_at, aim=LOOK_AIM)
        after, keys = await self.look(db, pace, self.first, **parameters)
        while after is not None:
            if keys:
                yield keys
            after, keys = await self.look(db, pace, after, **parameters)


class Portions:
    """Rows of `table` for which `over` holds. The table has a key of one column: text, bytes, or numbers from 1.

    `over` may have parameters, which are given by name.
    """

    def __init__(self, table: Table, over: ColumnElement[bool], *, looked_at: int = LOOKED_AT) -> None:
        (key,) = table.primary_key.columns
        self._looked_at = looked_at
        self.walk = Walk(key, select(key.label("key")).where(over), looked_at=looked_at)
        first, last = key >= bindparam("first", type_=key.type), key <= bindparam("last", type_=key.type)
        self.delete_between = Statement(delete(table).where(first, last, over))

    async def delete_all(self, db: Database, **parameters: Any) -> int:
        """One walk through the table; how many rows were found to be over. It rests for longer than it works.

        Raises:
            StorageUnavailableError: not reached; what was deleted until then is.
        """
        pace, gone = Pace(most=self._looked_at), 0
        async for keys in self.walk.all(db, **parameters):
            gone += len(keys)
            while keys:
                some, keys = keys[: pace.rows], keys[pace.rows :]
                await portion(db, pace, len(some), partial(self.delete, some[0], some[-1], **parameters))
        return gone

    def delete(self, first: Any, last: Any, **parameters: Any) -> Steps[None]:
        """Delete what is over still from the key `first` to `last`, both included."""
        yield self.delete_between(first=first, last=last, **parameters)
