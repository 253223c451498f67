"""What protecting a route costs in each framework: `python benchmarks/integrations/bench.py [rounds] [--save]`.

One process, requests put through the application without a server, CPU time. Every batch is timed right behind one of
what it is compared with, so that a busy machine hurts both. *Adds* is the median of these differences to the
framework's own bare route. 100 rounds take a minute or two.
"""

import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from hmac import digest
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.harness.figures import Noise, heading, table, verdict
from benchmarks.integrations import asgi_rows, caller, wsgi_rows
from benchmarks.integrations.row import ANEW, BARE, FLOOR, NOTHING, REMEMBERED, Row

RESULT = Path(__file__).resolve().parents[1] / "results/integrations.md"
BATCH = 20
FRAMEWORKS = ("ASGI", "FastAPI", "WSGI", "Flask", "Django", "REST framework")
PACKAGES = (
    "fastapi", "starlette", "flask", "django", "djangorestframework", "fastapi-users", "flask-jwt-extended", "authlib",
    "djangorestframework-simplejwt", "pyjwt",
)  # fmt: skip
GOAL_ASGI, GOAL_HS256, GOAL_SHARE = 5.0, 8.0, 0.03


def primitive() -> float:
    """CPU µs of HMAC-SHA256 over the token's signing input, and nothing else."""
    signed = caller.token().rpartition(".")[0].encode()
    start = process_time()
    for _ in range(20_000):
        digest(caller.SECRET, signed, sha256)
    return (process_time() - start) / 20_000 * 1e6


def added(row: Row) -> float:
    """The median of what a request took longer than that of the batch before, µs."""
    return statistics.median(one - other for one, other in zip(row.times, row.beside, strict=True))


def main() -> None:
    rounds = next((int(word) for word in sys.argv[1:] if word.isdigit()), 200)
    found = [*asgi_rows.rows(), *wsgi_rows.rows()]
    for row in found:
        if (status := row.call()) not in (200, 204):
            raise SystemExit(f"{row.framework}, {row.name}: not let in ({status})")
        row.timed(BATCH)
    by_name = {(row.framework, row.name): row for row in found}
    # The goals of FastAPI are beside a dependency that does nothing.
    beside_nothing = {
        name: replace(by_name["FastAPI", name], times=[], beside=[]) for name in (REMEMBERED, ANEW, FLOOR)
    }
    bare_turning, turning = asgi_rows.turning()
    noise, hmacs = Noise(), []
    for _ in range(rounds):
        noise.sample()
        hmacs.append(primitive())
        for row in found:
            row.measure(BATCH, by_name[row.framework, BARE])
        for row in beside_nothing.values():
            row.measure(BATCH, by_name["FastAPI", NOTHING])
        turning.measure(BATCH, bare_turning)
    text = "\n\n".join(
        [
            heading("What protecting a route costs", PACKAGES),
            f"{rounds} rounds of {BATCH} requests a row, without a server around them. {noise}. All rows take an HS256 "
            "token; a token of another algorithm costs its signature more, once, where it is remembered. What the "
            "others do not look at (revocation, `typ`, the kind of token, doubled members) they do not pay for either; "
            "fastapi-users and simplejwt check neither scope nor role here. The floor is one function for one issuer "
            "and one key, with the quickest parts there are: it makes a guard's checks of a new token, and nothing of "
            "the token but its subject.",
            comparison(by_name),
            goals(by_name, beside_nothing, turning, statistics.median(hmacs)),
        ]
    )
    print(text)
    if "--save" in sys.argv:
        RESULT.write_text(text + "\n", "utf-8")


def comparison(by_name: Mapping[tuple[str, str], Row]) -> str:
    """All frameworks, each with its bare route and what protects one there."""
    lines = []
    for framework in FRAMEWORKS:
        bare = statistics.median(by_name[framework, BARE].times)
        others = [row for (of, name), row in by_name.items() if of == framework and name != BARE]
        floor = by_name.get((framework, FLOOR))
        lines.append([framework, BARE, f"{bare:.1f}", "", "", ""])
        for row in sorted(others, key=added):
            against = "" if floor is None or row is floor else f"{added(row) / added(floor):.2f}"
            times = statistics.median(one / other for one, other in zip(row.times, row.beside, strict=True))
            lines.append(
                [
                    "",
                    row.name,
                    f"{statistics.median(row.times):.1f}",
                    f"{added(row):.1f}",
                    f"{times:.2f}",
                    against,
                ]
            )
    return table(["framework", "route", "CPU µs a request", "adds", "× bare", "adds, × floor"], lines)


def goals(
    by_name: Mapping[tuple[str, str], Row], beside_nothing: Mapping[str, Row], turning: Row, hmac: float
) -> str:
    """What was to be reached, and what was."""
    asgi, turned = added(by_name["ASGI", REMEMBERED]), added(turning)
    remembered = beside_nothing[REMEMBERED]
    share = added(remembered) / statistics.median(remembered.beside)
    anew, floor = (added(beside_nothing[name]) for name in (ANEW, FLOOR))
    plain_anew, plain_floor = (added(by_name["ASGI", name]) for name in (ANEW, FLOOR))
    return "\n".join(
        [
            f"- ASGI, remembered: adds {asgi:.1f} µs; goal ≤ {GOAL_ASGI:.0f}: {verdict(met=asgi <= GOAL_ASGI)}. Where "
            f"the event loop turns and asks the system for events between two requests, so that caches are cold: "
            f"{turned:.1f} µs beside {statistics.median(turning.beside):.1f} of the bare route.",
            f"- FastAPI, remembered, beside a dependency that does nothing: {share:+.1%} of the request's CPU time, "
            f"without a server; goal ≤ {GOAL_SHARE:.0%}: {verdict(met=share <= GOAL_SHARE)}.",
            f"- FastAPI, HS256 not remembered, beside the same and the primitive ({hmac:.1f} µs): adds "
            f"{anew - hmac:.1f} µs; goal ≤ {GOAL_HS256:.0f}: {verdict(met=anew - hmac <= GOAL_HS256)}. The floor adds "
            f"{floor - hmac:.1f}; with the primitive a guard takes {anew / floor:.2f} × what the floor takes.",
            f"- ASGI, HS256 not remembered, without the primitive: adds {plain_anew - hmac:.1f} µs, and the floor "
            f"{plain_floor - hmac:.1f}; with it {plain_anew / plain_floor:.2f} × the floor.",
        ]
    )


if __name__ == "__main__":
    main()
