"""The other end of `checker.py`: a process of verifiers, as the harness holds it."""

import asyncio
import contextlib
import ctypes
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fixtures.issuer import API
from tests.fixtures.processes import environment
from tests.system.faults.fault import Kinds
from tests.system.faults.journal import Run
from tests.system.faults.proxy import until

PROGRAM = Path(__file__).with_name("checker.py")
ANSWERS_WITHIN = 30.0
_PR_SET_PDEATHSIG = 1


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
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._told: dict[str, list[Any]] = {}
        self._turns = 0

    async def start(self) -> None:
        """Start the process; the verifiers begin to follow with the first token."""
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        with (self._folder / "checkers.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), json.dumps(self._config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment(),
                start_new_session=True, limit=1 << 20, cwd=self._folder,
                preexec_fn=None if prctl is None else lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
            )  # fmt: skip
        self._told, self.now = {}, {}
        self._reader = asyncio.create_task(self._read())
        await self._wait("ready")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
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
        return self._process is None or self._process.returncode is not None

    async def _tell(self, command: str, **arguments: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
        await self._process.stdin.drain()

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
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if self._reader is not None:
            await self._reader
