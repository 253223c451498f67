"""One node that is killed with -9 at a named point of a transaction: `killed_operation.py '{"url": ..., "keys": ...}'`.

What is asked for comes as a list of operations, `[[name, arguments], ...]`, with the drivers that the issuer uses. The
outcome of each is written as a line of JSON: that is the acknowledgement. In the last one the process ends at `point`:

begun       the transaction was begun, and nothing was done in it
half        its first statement was done
written     all its statements were done, and COMMIT is next
committed   COMMIT is done, and nobody was told
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from admit.issuer.accounts.records import User
from admit.issuer.grants.records import Redeemed, Refreshed
from admit.issuer.keys import KeysConfig, SigningKeys
from admit.issuer.storage import Bound, Database, Keyring, Row, Steps, bound_once, placing, sqlite_file
from admit.issuer.storage.migrate import migrate
from tests.fixtures.people import INFO, Parts

# No RSA: nothing of it is dear to make but its keys.
KEYS = KeysConfig(algorithms=(("token", "ES256"), ("status", "ES256")))


def die() -> None:
    """Nothing is cleaned up, nothing is said."""
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def stepped(job: Callable[..., Steps[Any]], point: str) -> Callable[..., Steps[Any]]:
    """The same transaction, with its end at a point."""

    def run(*args: Any, **kwargs: Any) -> Steps[Any]:
        if point == "begun":
            die()
        steps = job(*args, **kwargs)
        try:
            step = next(steps)
            while True:
                rows = yield step
                if point == "half":
                    die()
                step = steps.send(rows)
        except StopIteration as stop:
            if point == "written":
                die()
            return stop.value

    return run


async def written_by_itself(
    run: Callable[..., Any], write: Callable[[Bound], Any], bound: Bound, point: str
) -> Sequence[Row]:
    """A statement that is a transaction by itself, with its end at a point: `half` and `written` are one there."""
    if point != "committed":
        await run(stepped(bound_once, point), bound)
    rows: Sequence[Row] = await write(bound)
    die()
    return rows


def arm(db: Database, point: str) -> None:
    """The next transaction that this database runs is the last."""
    real = db.run

    async def run(job: Any, /, *args: Any, **kwargs: Any) -> Any:
        value = await real(stepped(job, point), *args, **kwargs)
        if point == "committed":
            die()
        return value

    real_write = db.write

    async def write(bound: Bound) -> Sequence[Row]:
        return await written_by_itself(real, real_write, bound, point)

    db.run = run  # type: ignore[method-assign]  # this object alone
    if db.dialect == "postgresql":  # on SQLite it is a run like any other
        db.write = write  # type: ignore[method-assign]  # this object alone


async def operate(parts: Parts, keys: SigningKeys, name: str, given: dict[str, Any]) -> Any:
    """One of the operations whose outcome people are told."""
    now = given["now"]
    match name:
        case "sign in":
            return (await parts.sign_in(User(**given["user"]), now=now)).session.id
        case "redeem":
            outcome = await parts.redeem(given["code"], now=now)
            return outcome.refresh_token if isinstance(outcome, Redeemed) else repr(outcome)
        case "rotate":
            rotated = await parts.refresh(given["token"], now=now)
            return rotated.refresh_token if isinstance(rotated, Refreshed) else repr(rotated)
        case "log out":
            return await parts.sessions.end(
                given["session"], user_id=given["user"], reason="logout", info=INFO, now=now
            )
        case "revoke key":
            return await keys.revoke(given["kid"], now)
        case _:
            raise ValueError(name)


async def migrated(url: str, keys: str, point: str) -> None:
    """A node that makes the schema, and is killed over it."""
    if url.startswith("sqlite"):
        real_place = placing.place

        def place(draft: Path, target: Path) -> None:
            if point != "committed":
                die()
            real_place(draft, target)
            die()

        vars(sqlite_file)["place"] = place
        await Database.from_url(url, Keyring.load(keys)).open()
    real_execute = asyncpg.Connection.execute

    async def execute(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        script = "CREATE TABLE" in query
        if script and point == "begun":
            die()
        value = await real_execute(self, query, *args, **kwargs)
        if script and point in ("half", "written"):
            die()
        return value

    asyncpg.Connection.execute = execute
    await migrate(url)
    die()


async def worked(parts: Parts, user: User, token: str, now: float) -> None:
    """Sign in and rotate for ever; each acknowledgement is a line."""
    while True:
        print(json.dumps(["session", (await parts.sign_in(user, now=now)).session.id]), flush=True)
        rotated = await parts.refresh(token, now=now)
        assert isinstance(rotated, Refreshed), rotated
        assert rotated.refresh_token is not None
        token = rotated.refresh_token
        print(json.dumps(["token", token]), flush=True)


async def main() -> None:
    """See the module."""
    asked = json.loads(sys.argv[1])
    if asked["operations"] == "migrate":
        await migrated(asked["url"], asked["keys"], asked["point"])
    db = Database.from_url(asked["url"], Keyring.load(asked["keys"]))
    await db.open()
    parts, keys = await Parts.on(db), SigningKeys(db, KEYS)
    await keys.refresh(asked["now"])
    if asked["operations"] == "work":
        await worked(parts, User(**asked["user"]), asked["token"], asked["now"])
    *told, last = asked["operations"]
    for name, given in told:
        print(json.dumps(await operate(parts, keys, name, given)), flush=True)
    arm(db, asked["point"])
    print(json.dumps(["survived", await operate(parts, keys, *last)]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
