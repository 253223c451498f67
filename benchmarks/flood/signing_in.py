"""CPU of a sign-in beside that of the hash alone, in turns, on one core."""

import statistics
import threading
import time

from admit.issuer.accounts.passwords import ARGON2, compare
from benchmarks.flood import forms
from benchmarks.harness import figures
from benchmarks.harness.load import Load
from benchmarks.harness.programs import pinned
from benchmarks.issuer.furnished import PASSWORD, Furnished

GOAL = 1.05
SIGN_INS = 40
CONNECTIONS = 2  # as many as hash at a time: nothing waits, and no core is idle


def hash_alone(count: int) -> float:
    """Seconds of CPU of one verification: this process's, all threads, since the C library gives memory back there
    too.
    """
    stored = ARGON2.hash(PASSWORD)
    began = time.process_time()
    for _ in range(count):
        compare(stored, PASSWORD.encode())
    return (time.process_time() - began) / count


def hash_alone_on_core(count: int) -> float:
    """The same on the issuer's core, in a thread as it is there."""
    taken: list[float] = []

    def work() -> None:
        with pinned(0):
            taken.append(hash_alone(count))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return taken[0]


async def measure(made: Furnished, rounds: int, noise: figures.Noise) -> str:
    """The table: the issuer's CPU for one sign-in, the hash's, and their ratio."""
    signed, hashed = [], []
    with made.serve(core=0) as program, pinned(1):
        program.until_ready("/health/ready", host=made.host)
        load = Load(program.port, [forms.right_passwords(made) for _ in range(CONNECTIONS)])
        await load.run(CONNECTIONS * 4)
        for number in range(rounds):
            noise.sample()
            for which in (0, 1) if number % 2 else (1, 0):
                if which:
                    hashed.append(hash_alone_on_core(SIGN_INS) * 1e3)
                else:
                    before = program.cpu()
                    answers = await load.run(SIGN_INS)
                    signed.append((program.cpu() - before) / answers * 1e3)
    ratios = [one / other for one, other in zip(signed, hashed, strict=True)]
    ratio = statistics.median(ratios)
    row = (
        "POST /login, SQLite",
        f"{statistics.median(signed):.2f}",
        f"{statistics.median(hashed):.2f}",
        f"{ratio:.3f}",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        figures.spread(hashed),
        f"≤ {GOAL}: {figures.verdict(met=ratio <= GOAL)}",
    )
    heads = ("CPU", "sign-in ms", "hash alone ms", "×", "best to worst", "noise (hash)", "goal")
    return figures.table(heads, [row])
