"""The issuer's start, memory and CPU a request: `python benchmarks/issuer/bench.py [rounds] [--save]`.

`--save` also writes the figures to benchmarks/results/issuer.md. Linux only. `rounds` is 15 unless said; 3 do while
working. An idle machine with two cores or more gives figures; a busy one gives ratios.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.harness import figures
from benchmarks.harness.load import runner
from benchmarks.harness.programs import end_in_order, free_port
from benchmarks.issuer import cost, furnished, memory, start

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "uvicorn", "uvloop", "httptools", "starlette", "SQLAlchemy", "msgspec", "cryptography", "argon2-cffi",
)  # fmt: skip
SESSIONS, PEOPLE = 10_000, 100
HOW = f"""\
The issuer is `admit serve` on SQLite with {SESSIONS:,} live sessions of {PEOPLE} people. The floor is
benchmarks/issuer/floor.py: Starlette and the same SQLite read (rotation: one UPDATE, flushed, and one ES256 signature)
on uvicorn, uvloop and httptools, without any of an issuer's checks. Both run on one core, take turns, and are asked
from another core over {cost.CONNECTIONS} connections. Ratios are medians of the rounds' ratios; noise is the
middle half of the floor's rounds.

Starts have byte code, as an installed package has. Password hashes are taken off the memory: {memory.HASHES:.0f} MiB
while people sign in, which is Argon2's 19 MiB for each hash that may run at a time. Before anybody signs in there is
nothing to take off. Development tools add some MiB: structlog loads rich where it is installed."""


def main() -> None:
    end_in_order()
    words = sys.argv[1:]
    save = "--save" in words
    rounds = next((int(word) for word in words if word.isdigit()), 15)
    noise = figures.Noise()
    with tempfile.TemporaryDirectory(prefix="admit-bench-") as name:
        folder = Path(name) / "issuer"
        folder.mkdir()
        made = runner(
            furnished.furnish(
                folder, free_port(), people=PEOPLE, sessions=SESSIONS, grants=memory.GRANTS.stop
            )
        )
        other = cost.floor_of(made, Path(name) / "floor")
        parts = [figures.heading("The issuer's speed and size", PACKAGES)]
        print(parts[0], flush=True)
        measured: tuple[Callable[[], str], ...] = (
            lambda: HOW,
            lambda: start.measure(made, other, rounds),
            lambda: runner(memory.measure(made, min(10.0, float(rounds)))),
            lambda: runner(cost.measure(made, other, rounds, noise)),
            lambda: f"{rounds} rounds; {noise}.",
        )
        for part in measured:
            parts.append(part())
            print(f"\n{parts[-1]}", flush=True)
    if save:
        target = ROOT / "benchmarks" / "results" / "issuer.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
