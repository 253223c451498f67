"""`admit`, killed with -9 at a named point: `killed_serve.py ARMED serve --config node.toml`.

ARMED is a file. Once it is there, `{"job": "admit.issuer.grants.codes:issue", "point": "half"}`, the next transaction
of that name is the last thing that the process does; `killed_operation` says what the points are. The job `migrate` is
the migration of a PostgreSQL database: there `half` is half of its statements.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from admit.cli.main import main
from admit.issuer.grants.store.families import ROTATE_AND_TELL
from admit.issuer.storage import Bound, Row
from admit.issuer.storage import migrate as migrating
from admit.issuer.storage.postgres import PostgresDatabase
from tests.system.apps.killed_operation import die, stepped, written_by_itself

MIGRATE = "migrate"
BY_THEMSELVES = {ROTATE_AND_TELL: "admit.issuer.grants.refreshing:refresh"}
"""Statements that do alone what a transaction of this name does."""


def name_of(job: Callable[..., Any]) -> str:
    """As it is asked for: module and name."""
    function = getattr(job, "func", job)
    return f"{function.__module__}:{function.__qualname__}"


def point_of(armed: Path, name: str) -> str:
    """Where this one is to end; empty for nowhere."""
    try:
        asked = json.loads(armed.read_text("utf-8"))
    except FileNotFoundError:
        return ""
    return str(asked["point"]) if asked["job"] == name else ""


def arm_transactions(armed: Path) -> None:
    """Each transaction of this process looks whether it is the one."""
    real = PostgresDatabase.run

    async def run(self: PostgresDatabase, job: Any, /, *args: Any, **kwargs: Any) -> Any:
        point = point_of(armed, name_of(job))
        value = await real(self, stepped(job, point) if point else job, *args, **kwargs)
        if point == "committed":
            die()
        return value

    real_write = PostgresDatabase.write

    async def write(self: PostgresDatabase, bound: Bound) -> Sequence[Row]:
        point = point_of(armed, BY_THEMSELVES.get(bound.statement, ""))
        if not point:
            return await real_write(self, bound)
        return await written_by_itself(partial(real, self), partial(real_write, self), bound, point)

    PostgresDatabase.run = run  # type: ignore[method-assign]  # this process alone
    PostgresDatabase.write = write  # type: ignore[method-assign]  # this process alone


def arm_migration(armed: Path) -> None:
    """The same for the one script that a migration is."""
    point = point_of(armed, MIGRATE)
    real_execute, real_migrate = asyncpg.Connection.execute, migrating.migrate

    async def execute(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        if "CREATE TABLE" not in query and "ALTER TABLE" not in query:
            return await real_execute(self, query, *args, **kwargs)
        if point == "begun":
            die()
        statements = query.split(";\n")
        done = query if point != "half" else ";\n".join(statements[: len(statements) // 2])
        value = await real_execute(self, done, *args, **kwargs)
        if point in ("half", "written"):
            die()
        return value

    async def migrate(url: str) -> None:
        await real_migrate(url)
        if point == "committed":
            die()

    asyncpg.Connection.execute = execute
    migrating.migrate = migrate


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    sys.argv[0] = "admit"
    arm_transactions(file)
    if sys.argv[1] == "migrate":
        arm_migration(file)
    main()
