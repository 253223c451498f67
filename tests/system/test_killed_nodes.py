"""A node is killed with -9 at named points and at random; another goes on. What was acknowledged holds, what was not
has happened wholly or not at all, and nothing else is there.

In a soak every operation meets every point, many times, and `benchmarks/results/killed.md` is written.
"""

import asyncio
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from admit.issuer.grants.records import Redeemed, Refreshed, Refusal, Refused
from admit.issuer.keys import SigningKeys
from admit.issuer.storage import Database, Keyring
from admit.issuer.storage.migrate import migrate
from tests.fixtures import nursery
from tests.fixtures.people import NOW, Parts
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.storage import OpenAgain
from tests.plugins.rounds import TIER
from tests.system.apps import killed_operation
from tests.system.killed import Journal, keep, reconciled, written

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PROGRAM = str(Path(killed_operation.__file__))
POINTS = ("begun", "half", "written", "committed")
WITHIN = 30.0
SPEND_ONCE = ["admit.issuer.grants.codes:spend", "admit.issuer.grants.rules:unspent"]
Rounds = Callable[..., range]


_JOURNALS: dict[str, Journal] = {}


@dataclass(slots=True)
class Nodes:
    """The node that goes on, in this process, and how to start the one that is killed."""

    parts: Parts
    keys: SigningKeys
    url: str
    key_file: Path
    journal: Journal

    async def killed(self, operations: Any, point: str = "", **more: Any) -> list[Any]:
        """The acknowledgements of a node that ended at this point."""
        process, out = self.spawn(operations, point, **more)
        code = await asyncio.to_thread(process.wait, WITHIN)
        told = read(out)
        assert code == -signal.SIGKILL, told
        return told

    def spawn(self, operations: Any, point: str = "", **more: Any) -> tuple[nursery.Forked, Path]:
        """A node; what it says goes to the file."""
        asked = {
            "url": self.url, "keys": str(self.key_file), "now": NOW, "operations": operations, "point": point,
        } | more  # fmt: skip
        handle, name = tempfile.mkstemp(prefix="admit-killed-")
        with open(os.devnull, "rb") as nothing:
            process = nursery.spawn(PROGRAM, [json.dumps(asked)], (nothing.fileno(), handle, handle))
        os.close(handle)
        return process, Path(name)


def read(out: Path) -> list[Any]:
    """Whole lines: one that was cut off told nobody anything."""
    text = out.read_text("utf-8")
    out.unlink()
    return [json.loads(line) for line in text.split("\n")[:-1]]


@pytest.fixture
async def nodes(
    open_again: OpenAgain, database_url: str, key_file: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Nodes]:
    db = await open_again()
    keys = SigningKeys(db, killed_operation.KEYS)
    await keys.ensure(NOW)
    journal = _JOURNALS.setdefault(db.dialect, Journal())
    yield Nodes(await Parts.on(db), keys, database_url, key_file, journal)
    if TIER == "soak":
        keep("Transactions", table(_JOURNALS))


def until_it_speaks(process: nursery.Forked, out: Path, deadline: float) -> None:
    while out.stat().st_size == 0:
        assert process.poll() is None, "it ended before it said anything"
        assert time.monotonic() < deadline, "it said nothing: nothing would be reconciled"
        time.sleep(0.002)


async def person(parts: Parts) -> dict[str, Any]:
    user = await parts.user()
    return {
        name: getattr(user, name)
        for name in ("id", "email", "email_shown", "name", "created_at", "updated_at")
    }


async def sign_in(nodes: Nodes, point: str) -> None:
    user, journal = await person(nodes.parts), nodes.journal
    (told,) = await nodes.killed([["sign in", {"user": user, "now": NOW}]] * 2, point)
    of_user = [row["node_id"] for row in await nodes.parts.rows("session") if row["user_id"] == user["id"]]
    journal.expect(told in of_user, "a session")
    journal.explain(len(of_user) == 1 + (point == "committed"), f"{len(of_user)} sessions after {point}")
    audited = {
        row["session_id"]
        for row in await nodes.parts.rows("audit")
        if row["user_id"] == user["id"] and row["event"] == "login.succeeded"
    }
    journal.explain(audited == set(of_user), "a session without its record, or a record without session")


async def redeem(nodes: Nodes, point: str) -> None:
    parts, journal = nodes.parts, nodes.journal
    codes = [await parts.code(await parts.sign_in()) for _ in range(2)]
    (told,) = await nodes.killed([["redeem", {"code": code, "now": NOW}] for code in codes], point)
    refreshed = await parts.refresh(told, now=NOW)
    journal.expect(isinstance(refreshed, Refreshed), "a grant")
    again = await parts.redeem(codes[0])
    journal.expect(again == Refused(Refusal.REUSED), "that a code was used")
    retried = await parts.redeem(codes[1])
    if point == "committed":
        journal.explain(retried == Refused(Refusal.REUSED), f"{retried} after {point}")
    else:
        journal.explain(isinstance(retried, Redeemed), f"{retried} after {point}")


async def rotate(nodes: Nodes, point: str) -> None:
    parts, journal = nodes.parts, nodes.journal
    grants = [await parts.grant() for _ in range(2)]
    (told,) = await nodes.killed(
        [["rotate", {"token": grant.refresh_token, "now": NOW + 1}] for grant in grants], point
    )
    first = await parts.families.get(grants[0].family.id)
    assert first is not None
    journal.expect(first.generation == 1, "a rotation")
    journal.expect(isinstance(await parts.refresh(told, now=NOW + 2), Refreshed), "a successor")
    second = await parts.families.get(grants[1].family.id)
    assert second is not None
    journal.explain(
        second.generation == (point == "committed"), f"generation {second.generation} after {point}"
    )
    retried = await parts.refresh(grants[1].refresh_token, now=NOW + 2)  # the reply was lost: it asks again
    journal.explain(isinstance(retried, Refreshed), f"{retried} after {point}")
    if isinstance(retried, Refreshed):
        further = await parts.refresh(retried.refresh_token, now=NOW + 3)
        journal.explain(isinstance(further, Refreshed), f"{further} after {point}")


async def log_out(nodes: Nodes, point: str) -> None:
    parts, journal = nodes.parts, nodes.journal
    signed_in = [await parts.sign_in() for _ in range(2)]
    grants = [await parts.grant(one) for one in signed_in]
    operations = [
        ["log out", {"session": one.session.id, "user": one.session.user.id, "now": NOW + 1}]
        for one in signed_in
    ]
    (told,) = await nodes.killed(operations, point)
    assert told is True
    ended = [await parts.is_ended(grant.family.id) for grant in grants]
    journal.expect(ended[0], "a logout")
    refused = await parts.refresh(grants[0].refresh_token, now=NOW + 2)
    journal.expect(refused == Refused(Refusal.ENDED), "a logout's refresh token")
    journal.explain(ended[1] == (point == "committed"), f"ended: {ended[1]} after {point}")


async def revoke_key(nodes: Nodes, point: str) -> None:
    keys, journal = nodes.keys, nodes.journal
    stolen = [(await keys.refresh(NOW)).signer(purpose, "ES256").kid for purpose in ("token", "status")]
    (told,) = await nodes.killed([["revoke key", {"kid": kid, "now": NOW}] for kid in stolen], point)
    assert told is True
    seen = await keys.refresh(NOW)
    journal.expect(stolen[0] in seen.revoked_kids, "a key's revocation")
    is_revoked = stolen[1] in seen.revoked_kids
    journal.explain(is_revoked == (point == "committed"), f"revoked: {is_revoked} after {point}")
    await keys.ensure(NOW)
    active = Counter((key.purpose, key.alg) for key in keys.snapshot.keys if key.state == "active")
    journal.explain(active == {("token", "ES256"): 1, ("status", "ES256"): 1}, f"{active} after {point}")


OPERATIONS = (sign_in, redeem, rotate, log_out, revoke_key)
CASES = [(operation, point) for operation in OPERATIONS for point in POINTS]


@pytest.mark.threat("INF-race", off=SPEND_ONCE)
@pytest.mark.threat("O-1", off=SPEND_ONCE)
async def test_a_code_that_a_killed_node_took_is_spent_and_one_that_it_did_not_take_is_not(
    nodes: Nodes,
) -> None:
    await redeem(nodes, "committed")
    await redeem(nodes, "written")
    assert (nodes.journal.lost, nodes.journal.unexplained) == ([], [])


async def test_whatever_a_node_was_doing_when_it_was_killed(
    nodes: Nodes, rounds: Rounds, rng: Random
) -> None:
    """In the test tier two of twenty cases each time."""
    chosen = rng.sample(CASES * 25, len(CASES) * 25)
    for n in rounds(test=2, soak=len(chosen)):
        operation, point = chosen[n]
        await operation(nodes, point)
        nodes.journal.rounds[f"{operation.__name__.replace('_', ' ')}, {point}"] += 1
        assert (nodes.journal.lost, nodes.journal.unexplained) == ([], []), (operation, point)


async def test_a_node_that_is_killed_at_any_moment_loses_nothing_that_it_acknowledged(
    nodes: Nodes, rounds: Rounds, rng: Random
) -> None:
    parts, journal = nodes.parts, nodes.journal
    for _ in rounds(test=1, soak=200):
        user, grant = await person(parts), await parts.grant()
        process, out = nodes.spawn("work", user=user, token=grant.refresh_token)
        deadline = time.monotonic() + WITHIN
        await asyncio.to_thread(until_it_speaks, process, out, deadline)
        await asyncio.sleep(rng.uniform(0, 0.05))
        process.kill()
        assert await asyncio.to_thread(process.wait, WITHIN) == -signal.SIGKILL, out.read_text()
        told = read(out)
        sessions = [value for kind, value in told if kind == "session"]
        tokens = [value for kind, value in told if kind == "token"] or [grant.refresh_token]
        found = {row["node_id"] for row in await parts.rows("session") if row["user_id"] == user["id"]}
        journal.expect(set(sessions) <= found, "sessions")
        journal.explain(len(found) - len(sessions) in (0, 1), f"{len(found)} sessions, {len(sessions)} told")
        family = await parts.families.get(grant.family.id)
        assert family is not None
        told_generations = len([1 for kind, _ in told if kind == "token"])
        journal.expect(family.generation >= told_generations, "rotations")
        journal.explain(family.generation - told_generations in (0, 1), f"{family.generation}")
        journal.expect(isinstance(await parts.refresh(tokens[-1], now=NOW), Refreshed), "a refresh token")
        journal.rounds["at random"] += 1
        assert (journal.lost, journal.unexplained) == ([], [])


async def test_a_migration_that_is_killed_is_done_by_the_next_node(
    rounds: Rounds,
    postgres_server: PostgresServer,
    key_file: Path,
    keyring: Keyring,
    tmp_path: Path,
    rng: Random,
) -> None:
    for n in rounds(test=1, soak=20):
        point = rng.choice(POINTS)
        name = await asyncio.to_thread(postgres_server.create_database)
        try:
            for url in (postgres_server.dsn(name), f"sqlite:///{tmp_path}/new-{n}.db"):
                nodes = Nodes(None, None, url, key_file, Journal())  # type: ignore[arg-type]  # there is nothing yet
                await nodes.killed("migrate", point)
                if not url.startswith("sqlite"):
                    await migrate(url)
                db = Database.from_url(url, keyring)
                await db.open()
                await db.close()
        finally:
            await asyncio.to_thread(postgres_server.drop_database, name)


def table(journals: dict[str, Journal]) -> list[str]:
    """The section of the document."""
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    rows: Sequence[str] = sorted({name for journal in journals.values() for name in journal.rounds})
    kinds = list(journals)
    return [
        f"{written()}.",
        "",
        "A node is killed with -9 at a named point of a transaction, or at random, and another on the same database is",
        "asked. `begun`: BEGIN is done. `half`: the first statement too. `written`: all statements, COMMIT is next.",
        "`committed`: COMMIT is done, and nobody was told.",
        "",
        reconciled(list(journals.values())),
        "",
        f"| rounds | {' | '.join(names[kind] for kind in kinds)} |",
        f"|---|{'---|' * len(kinds)}",
        *(f"| {row} | {' | '.join(str(journals[kind].rounds[row]) for kind in kinds)} |" for row in rows),
    ]
