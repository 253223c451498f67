"""`python -m tests.mutation [--only MODULE] [--sample N] [--report FILE]`: is every wrong in the verify path noticed?

Each mutant is a process of its own, forked from one in which everything but Admit is loaded already; there are as many
at once as there are processors. A mutant that no test notices survives; those in `equivalent.json` do nothing wrong,
with the reason. One that never ends is stopped by the processor time it took, however busy the machine is.
"""

import argparse
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.watched import ROOT, TESTS, every_mutant, source_of, tests_for

HERE = Path(__file__).parent
LONGEST = 600
"""Seconds of the processor for the tests of the code as it is."""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves one module as the mutant has it."""

    def __init__(self, mutant: Mutant, path: Path) -> None:
        self._mutant, self._path = mutant, path

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> object:
        if name != self._mutant.module:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.tree, str(self._path), "exec"), module.__dict__)


def start(mutant: Mutant | None, seconds: int) -> int:
    """The process that runs the tests with the mutant in place, for that much processor time; None is the code as it
    is."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # ends the process
        _run_tests(mutant)
    return child


def killed(status: int) -> bool:
    """Whether a test failed, or the tests did not come to their end."""
    return status != 0


class _Unshrunk:
    """That there is a failing example is enough; the smallest one takes Hypothesis a hundred times as long."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        usual = hypothesis.settings.get_profile("admit")
        hypothesis.settings.register_profile("unshrunk", parent=usual, phases=phases)
        hypothesis.settings.load_profile("unshrunk")


def _run_tests(mutant: Mutant | None) -> None:
    code = 1
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if mutant is not None:
            sys.meta_path.insert(0, _Finder(mutant, source_of(mutant.module)))
        plugins = [f"-ptests.plugins.{name}" for name in ("environment", "evidence", "rounds")]
        # Assertions as they are written: nobody reads why one failed.
        options = ["-x", "-q", "--noconftest", "--assert=plain", "-pno:cacheprovider", *plugins]
        for tests in tests_for(mutant.module) if mutant else [TESTS]:
            code = pytest.main([*options, *tests], plugins=[_Unshrunk()])
            if code:
                break
    finally:
        os._exit(int(code))


def preload() -> None:
    """What every mutant needs and none changes."""
    for name in (
        "cryptography.hazmat.primitives.asymmetric.mldsa", "cryptography.hazmat.primitives.ciphers.aead",
        "cryptography.x509", "hypothesis.strategies", "msgspec", "pytest",
    ):  # fmt: skip
        importlib.import_module(name)


def report(survivors: Sequence[Mutant], total: Counter[str], seconds: float) -> str:
    """The result as a page."""
    tried, dead, harmless = total["tried"], total["killed"], total["equivalent"]
    rows = [
        f"| `{one.module.removeprefix('admit.')}` {one.line} | `{one.name.split(': ', 1)[1]}` |"
        for one in survivors
    ]
    return "\n".join(
        [
            "# Mutation of the verify path",
            "",
            f"{tried} wrongs, singly: {dead} noticed by a test, {harmless} that change nothing (`tests/mutation/"
            f"equivalent.json`), {len(survivors)} unnoticed. Score {score(total):.1f} %, in {seconds:.0f} s.",
            "",
            *(["| place | wrong |", "|---|---|", *rows] if rows else ["Nothing survived."]),
            "",
        ]
    )


def score(total: Counter[str]) -> float:
    """Percent of the mutants that do something wrong and were noticed."""
    return 100 * total["killed"] / max(1, total["tried"] - total["equivalent"])


def main(arguments: Sequence[str]) -> int:
    """Run; 0 where at least nine in ten were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--only", metavar="MODULE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    os.chdir(ROOT)
    preload()
    if killed(os.waitpid(start(None, LONGEST), 0)[1]):
        print("the tests fail without a mutant")
        return 2
    limit = 30 + 5 * int(sum(os.times()[2:4]))
    harmless = json.loads((HERE / "equivalent.json").read_text("utf-8"))
    everything = every_mutant()
    unknown = harmless.keys() - {one.name for one in everything}
    if unknown:
        print("no longer there:", *sorted(unknown), sep="\n  ")
    if chosen.only:
        everything = [one for one in everything if one.module == chosen.only]
    if chosen.sample:
        everything = random.Random(chosen.seed).sample(everything, min(chosen.sample, len(everything)))
    total: Counter[str] = Counter()
    survivors: list[Mutant] = []
    started = time.monotonic()
    running: dict[int, Mutant] = {}

    def ended() -> None:
        child, status = os.wait()
        one = running.pop(child)
        if killed(status):
            total["killed"] += 1
        else:
            survivors.append(one)
            print(f"survived: {one.name} (line {one.line})", flush=True)

    for one in everything:
        total["tried"] += 1
        if one.name in harmless:
            total["equivalent"] += 1
            continue
        if len(running) >= chosen.jobs:
            ended()
        running[start(one, limit)] = one
    while running:
        ended()
    survivors.sort(key=lambda one: (one.module, one.line))
    page = report(survivors, total, time.monotonic() - started)
    print(page)
    if chosen.report:
        chosen.report.write_text(page, "utf-8")
    return 0 if score(total) >= 90 and not unknown else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
