"""What the check for revocation costs: family bit, key and freshness."""

import time

from admit.verifier import freshness
from admit.verifier.remembered import digest
from benchmarks.harness import figures
from benchmarks.harness.figures import Noise
from benchmarks.harness.turns import Job, Turns, statement
from benchmarks.verifier.site import POSITION, TERMS, Site, token

GOAL = 0.3
BITS = (0, 10_000, 1_000_000)
HEADS = (
    "bits set",
    "each use, µs",
    "first use in a new state, µs",
    "the rules, µs",
    "rules, best to worst",
    "goal",
)
HOW = f"""\
*Each use*: what a remembered token costs more where its issuer's revocations are followed than where they are waived,
the median of the rounds' differences. *First use in a new state*: the same, with key, kid and bit looked at again, as
happens once a token for each poll or event. *The rules*: `check_status`, which asks for bit, kid and freshness in one
and gives the reasons; new tokens and refusals take it (the loop around it is included). Goal: each of the three at most
{GOAL} µs of CPU, alike at any number of bits."""


def measure(rounds: int, noise: Noise) -> str:
    """The table."""
    text = token()
    jobs: dict[str, Job] = {}
    sites = {str(bits): Site(bits) for bits in BITS}
    sites["waived"] = Site(follow=False)
    for name, site in sites.items():
        site.verifier.verify(text)
        entry = site.verifier.core.recall(digest(text))
        assert entry is not None
        names = {"verify": site.verifier.verify, "token": text, "entry": entry}
        jobs[f"{name} each"] = statement("verify(token)", names, 5_000, time.thread_time)
        jobs[f"{name} first"] = statement(
            "entry.cleared = None; verify(token)", names, 5_000, time.thread_time
        )
        held, boot = site.source.snapshot.held, site.source.now()
        rule = {"check": freshness.check_status, "held": held, "kid": entry.kid, "boot": boot, "terms": TERMS}
        if name != "waived":
            call = f"check(held, kid, 0, {POSITION}, 1.0, 2.0, boot, terms)"
            jobs[f"{name} rules"] = statement(call, rule, 10_000, time.thread_time)
    turns = Turns(jobs).run(rounds, noise)
    rows = []
    for bits in BITS:
        each = turns.added(f"{bits} each", "waived each")
        first = turns.added(f"{bits} first", "waived each")
        rules = turns.median(f"{bits} rules")
        rows.append(
            (
                f"{bits:,}",
                f"{max(0.0, each):.2f}",
                f"{first:.2f}",
                f"{rules:.2f}",
                turns.range(f"{bits} rules"),
                f"≤ {GOAL}: {figures.verdict(met=max(each, first, rules) <= GOAL)}",
            )
        )
    apart = turns.ratio(f"{BITS[-1]} first", f"{BITS[0]} first")
    said = f"A remembered token at {BITS[-1]:,} bits takes {apart:.2f} × what it takes at none."
    return f"{figures.table(HEADS, rows)}\n\n{said}"
