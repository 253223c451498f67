"""Many subjects: whether one costs more where there are more, and whether memory stays bounded."""

import gc
import itertools
import os
import statistics
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from admit.jose import JWK, Waive
from admit.verifier import TrustedIssuer, Verifier
from benchmarks.harness import figures
from benchmarks.harness.figures import Noise
from benchmarks.verifier.site import API, ISSUER, token

COUNTS = (1, 1_000, 10_000, 100_000, 1_000_000)
REMEMBERED = 10_000
BATCH = 500
GOAL = 1.25
SECRET = JWK.secret(bytes(range(32)), "HS256")
HEADS = (
    "subjects",
    "verified and remembered, tokens a CPU second",
    "× first",
    "remembered then",
    "resident, MiB",
    "more, MiB",
)
HOW = f"""\
Each subject's token is new to the verifier, which verifies and remembers it (`remember={REMEMBERED:,}`, the default).
HS256, where the signature costs least, so that what remembering costs shows most; making the tokens is not timed. For
one subject: {10 * BATCH:,} tokens of the one. The rate is the median of the batches of the last {REMEMBERED:,} tokens,
compared in units of a fixed loop that runs before each batch, so that a machine that slows down is not taken for a
verifier that does. Goal: the slowest at most {GOAL} × the quickest."""


def measure(largest: int, noise: Noise) -> str:
    """The table, up to `largest` subjects in one process and one verifier."""
    trust = TrustedIssuer(ISSUER, audience=API, secret=SECRET, revocation=Waive.REVOCATION)
    verifier = Verifier(trust, remember=REMEMBERED)
    rows, rates, done, before = [], [], 0, 0.0
    numbers = itertools.count()
    for count in (count for count in COUNTS if count <= largest):
        pace: list[tuple[float, float]] = []
        fresh = batches(numbers, max(count - done, 10 * BATCH), one=count == 1)
        for batch in fresh:
            unit = _loop()
            began = time.thread_time()
            for text in batch:
                verifier.verify(text)
            taken = (time.thread_time() - began) / len(batch)
            pace.append((taken, taken / unit))
        done = max(count, done)
        gc.collect()
        resident = _resident()
        before = before or resident
        last = pace[-(REMEMBERED // BATCH) :]
        rates.append(statistics.median(units for _, units in last))
        noise.sample()
        rows.append(
            (
                f"{count:,}",
                f"{1 / statistics.median(taken for taken, _ in last):,.0f}",
                f"{rates[0] / rates[-1]:.2f}",
                f"{len(verifier.core.remembered):,}",
                f"{resident:.0f}",
                f"{resident - before:.0f}",
            )
        )
    flat = max(rates) / min(rates)
    each = _octets_each()
    return (
        f"{figures.table(HEADS, rows)}\n\nSlowest over quickest: {flat:.2f} × (goal ≤ {GOAL}: "
        f"{figures.verdict(met=flat <= GOAL)}). A remembered token takes {each:,.0f} octets, {REMEMBERED:,} of them "
        f"{each * REMEMBERED / 2**20:.0f} MiB."
    )


def batches(numbers: "itertools.count[int]", count: int, *, one: bool) -> Iterator[list[str]]:
    """So many new tokens, a batch at a time: each of a subject of its own, or all of one."""
    for _ in range(0, count, BATCH):
        some = list(itertools.islice(numbers, BATCH))
        yield [token("u_0" if one else f"u_{number}", key=SECRET, jti=f"j_{number}") for number in some]


def _loop() -> float:
    """Seconds of a fixed loop now, the best of a few: the machine's pace."""
    return min(_once() for _ in range(3))


def _once() -> float:
    began = time.thread_time()
    total = 0
    for number in range(10_000):
        total += number
    return time.thread_time() - began


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _octets_each() -> float:
    """Of one remembered token, by the allocator's own account."""
    trust = TrustedIssuer(ISSUER, audience=API, secret=SECRET, revocation=Waive.REVOCATION)
    verifier = Verifier(trust, remember=REMEMBERED)
    texts = [token(f"u_{number}", key=SECRET, jti=f"j_{number}") for number in range(1_001)]
    verifier.verify(texts[0])
    tracemalloc.start()
    for text in texts[1:]:
        verifier.verify(text)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / 1_000
