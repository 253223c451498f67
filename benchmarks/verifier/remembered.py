"""What a remembered token costs in all, beside the cache that is known as the quickest, and the floor of each."""

import hashlib
import os
from contextlib import ExitStack

from admit.credentials import BearerCredential
from benchmarks.harness import figures
from benchmarks.harness.figures import Noise
from benchmarks.harness.turns import Job, Turns, statement
from benchmarks.verifier import node
from benchmarks.verifier.site import Site, token

GOAL = 2.0
TIMES = 5_000
HEADS = ("a token that was verified before", "µs, median", "best to worst", "× floor", "goal")
HOW = """\
One token again and again, as text, through the public door: `Verifier.verify(token)`. Admit looks at the SHA-256 of the
token, times, keys, kid, freshness and the family's bit; fast-jwt (`cache: true`, issuer and audience given) at the hash
of the token and its times. The floor is SHA-256 of the token and one look into a dict of 10,000; node's is `createHash`
and a Map. Every round times all of them in turn."""

FLOOR, ADMIT, CREDENTIAL, WAIVED = (
    "floor: SHA-256 and a dict",
    "Admit, revocation followed",
    "Admit, as a guard hands it over",
    "Admit, revocation waived",
)
THEIRS, THEIR_FLOOR = "fast-jwt, cache on", "floor in node: SHA-256 and a Map"


def measure(rounds: int, noise: Noise) -> str:
    """The table, and what it says of fast-jwt."""
    text, said = token(), ""
    followed, waived = Site(), Site(follow=False)
    for site in (followed, waived):
        site.verifier.verify(text)
    plain: dict[bytes, object] = {os.urandom(32): None for _ in range(10_000)}
    plain[hashlib.sha256(text.encode()).digest()] = text
    names = {
        "token": text, "credential": BearerCredential(text), "verify": followed.verifier.verify,
        "waived": waived.verifier.verify, "try_verify": followed.verifier.core.try_verify, "plain": plain,
        "sha256": hashlib.sha256,
    }  # fmt: skip
    jobs: dict[str, Job] = {
        FLOOR: statement("plain[sha256(token.encode()).digest()]", names, TIMES),
        ADMIT: statement("verify(token)", names, TIMES),
        CREDENTIAL: statement("try_verify(credential)", names, TIMES),
        WAIVED: statement("waived(token)", names, TIMES),
    }
    with ExitStack() as stack:
        try:
            said = f"Theirs is {node.version()}."
            theirs = stack.enter_context(node.jobs(text, {"cached": TIMES, "floor": TIMES}))
            jobs |= {THEIRS: theirs["cached"], THEIR_FLOOR: theirs["floor"]}
        except node.Missing as reason:
            said = str(reason)
        turns = Turns(jobs).run(rounds, noise)
    rows = []
    for name in jobs:
        floor = THEIR_FLOOR if name in (THEIRS, THEIR_FLOOR) else FLOOR
        met = turns.median(name) <= GOAL
        goal = f"≤ {GOAL:.0f} µs: {figures.verdict(met=met)}" if name == ADMIT else ""
        times = "" if name == floor else f"{turns.ratio(name, floor):.2f}"
        rows.append((name, f"{turns.median(name):.2f}", turns.range(name), times, goal))
    if THEIRS in jobs:
        ratio = turns.ratio(ADMIT, THEIRS)
        goal = figures.verdict(met=ratio < 1)
        said += f" Admit takes {ratio:.2f} × what fast-jwt's cache takes; the goal is less than 1: {goal}."
    return f"{figures.table(HEADS, rows)}\n\n{len(text)} octets a token. {said}"
