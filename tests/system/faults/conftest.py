"""The faults of a file, some at a time: a round is mostly waiting, so others run while a test waits for its own."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import furnished_postgresql_url, furnished_sqlite_url
from tests.plugins.environment import given
from tests.system.faults.fault import Fault
from tests.system.faults.journal import Tally
from tests.system.faults.rig import Rig

AT_ONCE = 3


Kind: TypeAlias = tuple[str, int, str]


def kind_of(fault: Fault, database: str) -> Kind:
    """Faults of one kind can be done to one rig, one after the other: verifiers of the same name and the same bound."""
    return database, fault.nodes, repr(fault.kinds)


class Rigs:
    """Rigs of one task, each for a database and a kind of deployment, until `stack` is closed."""

    def __init__(self, url: "Urls", stack: contextlib.AsyncExitStack) -> None:
        self._url, self._stack = url, stack
        self._made: dict[Kind, Rig] = {}

    def has(self, fault: Fault, database: str) -> bool:
        """Whether there is one for this already."""
        return kind_of(fault, database) in self._made

    async def of(self, fault: Fault, database: str) -> Rig:
        """One that faults of the same kind share."""
        key = kind_of(fault, database)
        if key not in self._made:
            folder, url = self._url(database)
            made = Rig.made(folder, url, nodes=fault.nodes, kinds=fault.kinds, every=fault.every)
            self._made[key] = await self._stack.enter_async_context(made)
        return self._made[key]


class Urls:
    """Furnished databases, each with a folder beside it."""

    def __init__(self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> None:
        self._request, self._folders = request, folders

    def __call__(self, database: str) -> tuple[Path, str]:
        folder = self._folders.mktemp("faults")
        if database == "sqlite":
            return folder, furnished_sqlite_url(folder)
        server: PostgresServer = self._request.getfixturevalue("postgres_server")
        return folder, furnished_postgresql_url(server)


class Lanes:
    """One round of each case of a file."""

    def __init__(self, urls: Urls, cases: Sequence[tuple[Fault, str]]) -> None:
        self._urls, self._cases = urls, cases
        self._seed = int(given("ADMIT_SEED") or secrets.randbits(32))
        self._waiting: list[tuple[Fault, str]] = []
        self._begun: set[Kind] = set()
        self._rounds: dict[str, asyncio.Future[Tally]] = {}
        self._running: set[asyncio.Task[Tally]] = set()
        self._workers: list[asyncio.Task[None]] = []

    async def round_of(self, fault: Fault, database: str) -> Tally:
        """What came of this one. The first that is asked for begins all."""
        print(f"ADMIT_SEED={self._seed}")
        if not self._workers:
            others = [case for case in self._cases if case != (fault, database)]
            self._waiting = [(fault, database), *others]
            self._rounds = {name_of_case(*case): asyncio.Future() for case in self._waiting}
            self._workers = [asyncio.create_task(self._work()) for _ in range(AT_ONCE)]
        return await self._rounds[name_of_case(fault, database)]

    async def _work(self) -> None:
        while self._waiting:  # after a failure with other rigs
            async with contextlib.AsyncExitStack() as stack:
                rigs = Rigs(self._urls, stack)
                while self._waiting and await self._round(rigs, *self._next(rigs)):
                    pass

    def _next(self, rigs: Rigs) -> tuple[Fault, str]:
        """What needs no new rig; else what nobody has a rig for; else whatever comes."""
        mine = [case for case in self._waiting if rigs.has(*case)]
        new = [case for case in self._waiting if kind_of(*case) not in self._begun]
        chosen = [*mine, *new, *self._waiting][0]
        self._waiting.remove(chosen)
        self._begun.add(kind_of(*chosen))
        return chosen

    async def _round(self, rigs: Rigs, fault: Fault, database: str) -> bool:
        name = name_of_case(fault, database)
        done = self._rounds[name]
        try:
            rig = await rigs.of(fault, database)
            running = asyncio.create_task(rig.round(fault, random.Random(f"{self._seed} {name}")))
            self._running.add(running)
            done.set_result(await running)
        except asyncio.CancelledError:
            done.cancel()
        except Exception as error:
            done.set_exception(error)
        return not done.cancelled() and done.exception() is None

    async def close(self) -> None:
        """End everything: what runs is cancelled, rigs are ended in good order."""
        self._waiting.clear()
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._workers)
        for done in self._rounds.values():
            done.cancel()


def name_of_case(fault: Fault, database: str) -> str:
    """Also what its random choices come from, with the seed."""
    return f"{fault.name} {database}"


@pytest.fixture(scope="module")
async def lanes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lanes]:
    """Ended with the file's last test. With defences out each test has its own, and so only its own case."""
    cases = []
    if not request.config.getoption("--defences-off"):
        for item in request.session.items:
            parameters = getattr(getattr(item, "callspec", None), "params", {})
            if item.path == request.path and "fault" in parameters:
                cases.append((parameters["fault"], parameters["database"]))
    made = Lanes(Urls(request, tmp_path_factory), cases)
    yield made
    await made.close()
