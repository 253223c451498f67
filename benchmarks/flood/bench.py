"""Sign-ins beside the hash alone, and what a flood of them does to everybody else: `python benchmarks/flood/bench.py
[rounds] [--save]`.

`--save` also writes the figures to benchmarks/results/flood.md. Linux only. `rounds` is 15 unless said; 3 do while
working.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.flood import beside, signing_in
from benchmarks.harness import figures
from benchmarks.harness.load import runner
from benchmarks.harness.programs import end_in_order, free_port
from benchmarks.issuer import furnished

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 200  # who signs in again and again has many sessions, which is no usual sign-in
PACKAGES = ("uvicorn", "uvloop", "starlette", "SQLAlchemy", "cryptography", "argon2-cffi")
HOW = f"""\
The issuer is `admit serve` on SQLite with its own settings for hashing: two threads, a queue of 64.

A sign-in is `POST /login` with the right password, from the form to the session and its cookies, known device and all.
Its CPU is the process's, user and system, all threads; of it hashing is what the threads that hash took. The hash alone
is the same verification, as many at a time, on threads of this program with the same priority, on the same core, in
turns with it.

The flood is {beside.FLOODERS} connections, each of which sends a wrong password a second. Beside it each of four
questions is asked on {beside.ASKERS} connections, one after another with {beside.PAUSE * 1e3:.0f} ms between, each time
from connecting to the answer. Nothing is pinned there: flood and load take from both cores."""


def main() -> None:
    end_in_order()
    words = sys.argv[1:]
    rounds = next((int(word) for word in words if word.isdigit()), 15)
    noise = figures.Noise()
    with tempfile.TemporaryDirectory(prefix="admit-bench-") as name:
        made = runner(furnished.furnish(Path(name), free_port(), people=PEOPLE, sessions=PEOPLE, grants=20))
        parts = [figures.heading("Sign-ins, and floods of them", PACKAGES)]
        print(parts[0], flush=True)
        measured: tuple[Callable[[], str], ...] = (
            lambda: HOW,
            lambda: runner(signing_in.measure(made, rounds, noise)),
            lambda: runner(beside.measure(made, 2.0 * rounds, noise)),
            lambda: f"{rounds} rounds; {noise}.",
        )
        for part in measured:
            parts.append(part())
            print(f"\n{parts[-1]}", flush=True)
    if "--save" in words:
        target = ROOT / "benchmarks" / "results" / "flood.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
