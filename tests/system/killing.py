"""Two nodes of `admit serve` on one PostgreSQL, one of which is killed with -9 where it is told to be."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, text

from admit.issuer import Issuer
from admit.issuer.audit import RequestInfo
from admit.issuer.storage import Statement, Steps, metadata
from tests.fixtures.processes import ROOMY, Child, Deployment, Forked, Visitor, stop_all
from tests.system.apps import killed_serve
from tests.system.killed import Journal

PROGRAM = str(Path(killed_serve.__file__))
POINTS = ("begun", "half", "written", "committed")
LEARNT_WITHIN = 15.0
"""Seconds; nodes look for keys each five."""
ONE_OF_EACH = {("token", "ES256"): 1, ("token", "RS256"): 1, ("status", "ES256"): 1}
DUE = Statement(
    text("UPDATE signing_key SET created_at = :was, activates_at = :now WHERE state = 'next'").bindparams(
        was=0.0, now=0.0
    )
)
Who = tuple[str, str, str, tuple[str, ...]]


def armed_command(armed: Path, *arguments: str) -> list[str]:
    """The command of an `admit` that can be told where to end."""
    return [sys.executable, PROGRAM, str(armed), *arguments]


def arm(armed: Path, job: str, point: str) -> None:
    """Say where: at once there for whoever looks."""
    draft = armed.with_suffix(".draft")
    draft.write_text(json.dumps({"job": job, "point": point}), "utf-8")
    draft.rename(armed)


@dataclass(slots=True)
class Killing:
    """The node that is killed and the one that goes on, people who sign in, and what is held against the database."""

    deployed: Deployment
    armed: Path
    victim: Child
    issuer: Issuer
    journal: Journal
    rng: Random
    people: list[Who] = field(default_factory=list)

    @property
    def other(self) -> Child:
        """The node that goes on."""
        return self.deployed.beside

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, folder: Path, url: str, journal: Journal, rng: Random) -> AsyncIterator["Killing"]:
        """Both run."""
        deployed, armed = Deployment(folder, url, ROOMY), folder / "armed.json"
        front = deployed.front
        command = armed_command(armed, *front.command[1:])
        victim = Forked(command, folder, "victim", port=front.port, ready="/health/ready", host=deployed.host)
        issuer = deployed.in_process()
        try:
            await asyncio.to_thread(_start, victim, deployed.beside)
            async with issuer.opened():
                yield cls(deployed, armed, victim, issuer, journal, rng)
        finally:
            stop_all(victim, how=signal.SIGKILL)
            deployed.close()

    async def person(self) -> Who:
        """Somebody new."""
        who = (f"{self.rng.getrandbits(64):x}@example.com", "a horse of the station", "Cy", ("admin",))
        added = await self.issuer.services.accounts.add(
            email=who[0], name=who[2], password=who[1], roles=who[3], info=RequestInfo(), now=time.time()
        )
        self.people.append((added.id, *who[1:]))
        return who

    @contextlib.asynccontextmanager
    async def visitor(self) -> AsyncIterator[Visitor]:
        """A browser at the node that is going to be killed, which runs."""
        await asyncio.to_thread(self.victim.wait)
        async with self.deployed.visitor() as made:
            yield made.at(self.victim)

    async def killed(self, job: str, point: str, asked: Awaitable[httpx2.Response]) -> None:
        """A request that kills its node there; it is answered by nobody, and the node starts anew."""
        arm(self.armed, job, point)
        try:
            with pytest.raises(httpx2.TransportError):
                await asked
            await self.ended()
        finally:
            self.armed.unlink(missing_ok=True)
        self.victim.spawn()

    async def ended(self) -> None:
        """Until the node has ended, by -9 and nothing else."""
        code = await asyncio.to_thread(self.victim.join)
        assert code == -signal.SIGKILL, self.victim.log[-2_000:]

    async def rows(self, table: str, **those: Any) -> Sequence[Any]:
        """Rows of a table, by the values of columns."""
        columns = metadata.tables[table]
        query = select(columns).where(*(columns.c[name] == value for name, value in those.items()))
        return await self.issuer.db.read(Statement(query)())

    async def active(self) -> Counter[tuple[str, str]]:
        """How many keys sign, by kind."""
        rows = await self.rows("signing_key", state="active")
        return Counter((row["purpose"], row["alg"]) for row in rows)

    async def make_due(self) -> str:
        """A next ES256 key for tokens that everybody has known for a day, so that it is to sign now; its kid."""
        following = await self.rows("signing_key", state="next")
        kid = following[0]["kid"] if following else (await self.issuer.keys.rotate("ES256", time.time())).kid
        async with self.deployed.visitor() as visitor:
            until = time.monotonic() + LEARNT_WITHIN
            while kid not in (await visitor.at(self.other).get("/jwks")).text:
                assert time.monotonic() < until, "the node that goes on does not learn of a key"
                await asyncio.sleep(0.05)
        await self.issuer.db.run(_backdated, time.time())
        return str(kid)

    async def is_alive(self, visitor: Visitor) -> bool:
        """Whether the node that goes on knows this browser's session."""
        answer = await visitor.at(self.other).get("/api/session")
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    async def takes(self, visitor: Visitor, token: str) -> bool:
        """Whether the node that goes on takes this access token."""
        bearer = {"authorization": f"Bearer {token}"}
        return (await visitor.at(self.other).get("/userinfo", headers=bearer)).status_code == 200


def _backdated(now: float) -> Steps[None]:
    yield DUE(was=now - 2 * 86_400, now=now - 1)


def _start(*children: Child) -> None:
    for child in children:
        child.spawn()
    for child in children:
        child.wait()
