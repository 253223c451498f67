"""Issuer processes that start in a moment, reached through a proxy alone; and sessions without a browser."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Double, Executable, Integer, Text, bindparam, cast, insert, literal, select

from admit.issuer.revocation import NodeKind, records, store
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import EndStart
from admit.issuer.storage import LONG, Statement, Steps
from tests.fixtures import nursery
from tests.fixtures.processes import START_WITHIN, Deployment, free_port


class Behind(Deployment):
    """Nodes that are reached by the identifier's port only through a proxy."""

    def __init__(self, folder: Path, database: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
        keys = folder / "keys.json"
        held = keys.read_bytes() if keys.exists() else None  # the database came with its key file
        super().__init__(folder, database, tables)
        if held is not None:
            self.key_file.write_bytes(held)
        self.proxy_port = self.front.port
        self.front = self._node("front", free_port(), tables)
        self.nodes = (self.front, self.beside)

    def command(self, *arguments: str) -> int:
        """A command of ours, as `run`; its exit code."""
        with open(self.folder / "command.log", "ab") as log, open(os.devnull, "rb") as nothing:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            asked = [*arguments, "--config", str(self.folder / "beside.toml")]
            return nursery.spawn("admit", asked, streams).wait(START_WITHIN)


def open_sessions(user: str, number: int, now: float) -> Steps[list[records.Node]]:
    """The user and that many sessions, in one transaction."""
    yield from store.add_holder("user", user, now=now)
    nodes = []
    for _ in range(number):
        node = yield from store.open_node(
            kind=NodeKind.SESSION, user_id=user, expires_at=now + 86_400, now=now
        )
        assert node is not None
        nodes.append(node)
    return nodes


def _many() -> Executable:
    count = select(literal(1).label("i")).cte("count", recursive=True)
    count = count.union_all(select(count.c.i + 1).where(count.c.i < bindparam("number", type_=Integer)))
    columns = {
        "id": bindparam("prefix", type_=Text) + cast(count.c.i, Text),
        "kind": literal("session"),
        "user_id": bindparam("user", type_=Text),
        "created_at": bindparam("now", type_=Double),
        "expires_at": bindparam("expires", type_=Double),
    }
    return insert(store.node).from_select(list(columns), select(*columns.values()))


ADD_SESSIONS = Statement(_many())


def add_sessions(user: str, number: int, now: float) -> Steps[None]:
    """Rows as `open_node` makes them, made by the database itself."""
    prefix = secrets.token_urlsafe(12)
    yield ADD_SESSIONS(prefix=prefix, user=user, number=number, now=now, expires=now + 86_400)


def end_many(lists: Lists, start: EndStart, *, reason: str, now: float) -> Steps[int]:
    """`store.end` with the time that the end of a client's families is given: so many are no one person's."""
    yield LONG
    return (yield from store.end(lists, start, reason=reason, now=now))
