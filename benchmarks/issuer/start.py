"""How soon `admit serve` is ready on a database that exists."""

import statistics

from benchmarks.harness import figures
from benchmarks.issuer.cost import serve_floor
from benchmarks.issuer.furnished import Furnished

GOAL = 1.5


def measure(made: Furnished, other: Furnished, rounds: int) -> str:
    """The table. One start before goes uncounted: it writes the byte code, as installing does."""
    taken: dict[str, list[tuple[float, float]]] = {"admit serve": [], "floor": []}
    for number in range(rounds + 1):
        with made.serve() as program:
            issuer = program.until_ready("/health/ready", host=made.host), program.cpu()
        with serve_floor(other) as program:
            floor = program.until_ready("/ready", host=other.host), program.cpu()
        if number:
            taken["admit serve"].append(issuer)
            taken["floor"].append(floor)
    rows = []
    for name, found in taken.items():
        wall = [seconds for seconds, _ in found]
        median = statistics.median(wall)
        goal = f"≤ {GOAL} s: {figures.verdict(met=median <= GOAL)}" if name != "floor" else ""
        cpu = statistics.median(seconds for _, seconds in found)
        rows.append((name, f"{median:.2f}", f"{min(wall):.2f} to {max(wall):.2f}", f"{cpu:.2f}", goal))
    return figures.table(("start to ready", "s, median", "best to worst", "CPU s", "goal"), rows)
