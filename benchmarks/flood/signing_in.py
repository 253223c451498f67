"""CPU of a sign-in beside that of the hash alone, in turns, on one core."""

import asyncio
import contextlib
import statistics
import threading
import time
from pathlib import Path

from admit.issuer.accounts.passwords import ARGON2, compare
from admit.issuer.accounts.pool import NICENESS, let_others_go_first
from benchmarks.flood import forms
from benchmarks.harness import figures
from benchmarks.harness.load import Load
from benchmarks.harness.programs import pinned
from benchmarks.issuer.furnished import PASSWORD, Furnished

GOAL = 1.05
SIGN_INS = 40
AT_A_TIME = (1, 2)
"""Connections. Two is as many as hash at a time: on one core they take each other's caches, and so do two hashes alone,
which is why they are compared with two."""
IDLE = 3.0  # seconds
HEADS = (
    "CPU of POST /login, SQLite", "sign-in ms", "of it hashing", "hash alone ms", "×", "best to worst",
    "noise (hash)", "goal",
)  # fmt: skip


def hash_alone(stored: str, count: int) -> None:
    """So many verifications on the issuer's core, with the priority that they have there."""
    with pinned(0):
        let_others_go_first()
        for _ in range(count):
            compare(stored, PASSWORD.encode())


def hashes_on_core(at_a_time: int) -> float:
    """Seconds of CPU of one verification, so many at a time: this process's, all threads, since the C library gives
    memory back there too.
    """
    stored, each = ARGON2.hash(PASSWORD), SIGN_INS // at_a_time
    threads = [threading.Thread(target=hash_alone, args=(stored, each)) for _ in range(at_a_time)]
    began = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - began) / (each * at_a_time)


def hashing_cpu(pid: int) -> float:
    """Seconds of CPU of the threads that hash so far: those that let others go first."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            nice = int((task / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[16])
            if nice >= NICENESS:
                used += int((task / "schedstat").read_text("ascii").split()[0])
    return used / 1e9


async def measure(made: Furnished, rounds: int, noise: figures.Noise) -> str:
    """The table: the issuer's CPU for one sign-in, the hash's, and their ratio; and what it takes when nobody asks."""
    rows = []
    with made.serve(core=0) as program, pinned(1):
        program.until_ready("/health/ready", host=made.host)
        for at_a_time in AT_A_TIME:
            signed, within, hashed = [], [], []
            load = Load(program.port, [forms.right_passwords(made) for _ in range(at_a_time)])
            await load.run(at_a_time * 4)
            hashes_on_core(at_a_time)  # so that both have their memory
            for number in range(rounds):
                noise.sample()
                for which in (0, 1) if number % 2 else (1, 0):
                    if which:
                        hashed.append(hashes_on_core(at_a_time) * 1e3)
                    else:
                        before, of_it = program.cpu(), hashing_cpu(program.pid)
                        answers = await load.run(SIGN_INS)
                        signed.append((program.cpu() - before) / answers * 1e3)
                        within.append((hashing_cpu(program.pid) - of_it) / answers * 1e3)
            rows.append(row_of(at_a_time, signed, within, hashed))
        before = program.cpu()
        await asyncio.sleep(IDLE)
        idle = (program.cpu() - before) / IDLE * 1e3
    told = f"Asked nothing, the issuer takes {idle:.0f} ms of CPU a second, which is counted with the sign-ins too."
    return f"{figures.table(HEADS, rows)}\n\n{told}"


def row_of(at_a_time: int, signed: list[float], within: list[float], hashed: list[float]) -> tuple[str, ...]:
    """A line below `HEADS`."""
    ratios = [one / other for one, other in zip(signed, hashed, strict=True)]
    ratio = statistics.median(ratios)
    return (
        f"{at_a_time} at a time",
        f"{statistics.median(signed):.2f}",
        f"{statistics.median(within):.2f}",
        f"{statistics.median(hashed):.2f}",
        f"{ratio:.3f}",
        f"{min(ratios):.3f} to {max(ratios):.3f}",
        figures.spread(hashed),
        f"≤ {GOAL}: {figures.verdict(met=ratio <= GOAL)}",
    )
