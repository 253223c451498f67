"""Deleting what is over from a table of any size, without holding anybody up.

A statement that deletes all at once keeps SQLite's one writer, or a million row locks, for as long as it takes. Here
each transaction looks at a bounded number of rows, in the order of the primary key, and between two of them others have
their turn. It needs no index but the primary key's, so that those who write pay nothing for it.
"""

import asyncio
from typing import Any, Final

from sqlalchemy import ColumnElement, LargeBinary, Table, bindparam, delete, select

from admit.issuer.storage.database import Database
from admit.issuer.storage.statement import Statement, Steps

LOOKED_AT: Final = 1_000  # rows in one transaction: some milliseconds
_SHORTEST_PAUSE: Final = 0.002  # seconds


class Portions:
    """Rows of `table` for which `over` holds. The table has a key of one column, of text or bytes.

    `over` may have parameters, which `portion` and `delete_all` are given by name.
    """

    def __init__(self, table: Table, over: ColumnElement[bool], *, looked_at: int = LOOKED_AT) -> None:
        (key,) = table.primary_key.columns
        self._first: Any = b"" if isinstance(key.type, LargeBinary) else ""
        after, last = key > bindparam("after", type_=key.type), key <= bindparam("last", type_=key.type)
        self._find_last = Statement(
            select(key.label("key")).where(after).order_by(key).limit(1).offset(looked_at - 1)
        )
        self._delete_up_to_last = Statement(delete(table).where(after, last, over))
        self._delete_rest = Statement(delete(table).where(after, over))

    def portion(self, after: Any = None, **parameters: Any) -> Steps[Any]:
        """Delete what is over among the rows after `after` (None: from the first); where to go on, None at the end."""
        after = self._first if after is None else after
        rows = yield self._find_last(after=after)
        if not rows:
            yield self._delete_rest(after=after, **parameters)
            return None
        last = rows[0]["key"]
        yield self._delete_up_to_last(after=after, last=last, **parameters)
        return last

    async def delete_all(self, db: Database, **parameters: Any) -> None:
        """One walk through the table; it is idle for at least as long as it works.

        Raises:
            StorageUnavailableError: not reached; what was deleted until then is.
        """
        loop = asyncio.get_running_loop()
        after: Any = None
        while True:
            began = loop.time()
            after = await db.run(self.portion, after, **parameters)
            if after is None:
                return
            await asyncio.sleep(max(_SHORTEST_PAUSE, loop.time() - began))
