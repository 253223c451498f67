"""The other end of `checker.py`: a process of verifiers, as the harness holds it."""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tests.fixtures import nursery
from tests.fixtures.issuer import API
from tests.system.faults.fault import Kinds
from tests.system.faults.journal import Run
from tests.system.faults.proxy import until

ANSWERS_WITHIN = 30.0


class Checkers:
    """One process with several verifiers. `now` is what each said last of each token, `runs` all that it said.

    `lag` is by how many seconds one of them was woken too late at worst, since that was last asked.
    """

    def __init__(self, issuer: str, kinds: Kinds, folder: Path, *, every: float) -> None:
        self.kinds = kinds
        self._folder = folder
        self._config = {"issuer": issuer, "audience": API, "every": every, "verifiers": dict(kinds)}
        self.now: dict[tuple[str, int], str] = {}
        self.runs: list[Run] = []
        self.lag = 0.0
        self._process: nursery.Forked | None = None
        self._to: BinaryIO | None = None
        self._reader: asyncio.Task[None] | None = None
        self._told: dict[str, list[Any]] = {}
        self._turns = 0

    async def start(self) -> None:
        """Start the process; the verifiers begin to follow with the first token."""
        self._told, self.now = {}, {}
        self._process, self._to, source = await asyncio.to_thread(self._spawn)
        reader = asyncio.StreamReader(limit=1 << 20)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        self._reader = asyncio.create_task(self._read(reader, transport))
        await self._wait("ready")

    def _spawn(self) -> tuple[nursery.Forked, BinaryIO, BinaryIO]:
        """The process, what it hears, what it says."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        with open(self._folder / "checkers.log", "ab") as log, open(theirs_in, "rb"), open(theirs_out, "wb"):
            streams = (theirs_in, theirs_out, log.fileno())
            process = nursery.spawn("checker", [json.dumps(self._config)], streams, str(self._folder))
        return process, os.fdopen(ours_out, "wb", buffering=0), os.fdopen(ours_in, "rb", buffering=0)

    async def _read(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        with contextlib.closing(transport):
            while line := await reader.readline():
                self._take(line)

    def _take(self, line: bytes) -> None:
        what, *rest = json.loads(line)
        if what == "now":
            verifier, token, verdict = rest
            self.now[verifier, token] = verdict
        elif what == "run":
            self.runs.append(Run(*rest))
        else:
            self._told[what] = rest

    async def _wait(self, what: str) -> list[Any]:
        await until(lambda: what in self._told or self._ended, ANSWERS_WITHIN, f"{what} of the checkers")
        assert what in self._told, f"the checkers ended by themselves before {what}"
        return self._told.pop(what)

    @property
    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    async def _tell(self, command: str, **arguments: Any) -> None:
        assert self._to is not None
        await asyncio.to_thread(self._to.write, json.dumps([command, arguments]).encode() + b"\n")

    async def give(self, tokens: Mapping[int, str]) -> None:
        """Check these too from now on."""
        await self._tell("give", tokens=dict(tokens))

    async def drop(self) -> list[Run]:
        """Forget all tokens; what was seen of them since they were given."""
        self._turns += 1
        await self._tell("drop", turn=self._turns)
        turn, lag = await self._wait("dropped")
        assert turn == self._turns
        self.lag = max(self.lag, lag)
        runs, self.runs, self.now = self.runs, [], {}
        return runs

    async def turn(self, **clocks: Any) -> float:
        """Set the verifiers' clocks wrong; the boot time at which that was done."""
        await self._tell("turn", **clocks)
        at: float = (await self._wait("turned"))[0]
        return at

    async def health(self) -> dict[str, dict[str, Any]]:
        """What each verifier says of itself."""
        await self._tell("health")
        told: dict[str, dict[str, Any]] = (await self._wait("health"))[0]
        return told

    def say(self, verdict: str, tokens: list[int]) -> bool:
        """Whether every verifier now says this of all these tokens."""
        return all(self.now.get((name, token)) == verdict for name in self.kinds for token in tokens)

    async def kill(self) -> None:
        """End it at once. What it had not told yet is lost, as with any crash; what it told is kept."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        await asyncio.to_thread(process.wait, ANSWERS_WITHIN)
        if self._reader is not None:
            await self._reader
        if self._to is not None:
            self._to.close()
