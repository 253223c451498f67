"""All attacks on one issuer, one after the other."""

from collections.abc import Iterator

import scripts.attack.tries  # noqa: F401  # puts them on the list
from scripts.attack.outcome import ATTACKS, Attack, NotTriedError, Outcome, Verdict
from scripts.attack.world import Given, World


def run(given: Given, rows: set[str] | None = None) -> Iterator[tuple[Attack, Outcome]]:
    """What came of each, as it is known. `rows`: only these; none or empty means all.

    Raises:
        UnreachableError: nobody answers there.
    """
    world = World(given)
    try:
        world.visitor().get("/health/live")
        for attack in ATTACKS:
            if rows and attack.row not in rows:
                continue
            try:
                outcome = attack.run(world)
            except NotTriedError as reason:
                outcome = Outcome(Verdict.NOT_TRIED, str(reason))
            yield attack, outcome
    finally:
        world.close()
