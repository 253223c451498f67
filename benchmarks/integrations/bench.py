"""What protecting a route costs in each framework: `python benchmarks/integrations/bench.py [rounds] [--save]`.

One process, requests put through the application without a server, CPU time. Every batch is timed right behind one of
what it is compared with, so that a busy machine hurts both. *Adds* is the median of these differences to the
framework's own bare route.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from hmac import digest
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.harness.figures import Noise, heading, table, verdict
from benchmarks.integrations import asgi_rows, caller, wsgi_rows
from benchmarks.integrations.row import BARE, NOTHING, Row

RESULT = Path(__file__).resolve().parents[1] / "results/integrations.md"
BATCH = 20
FRAMEWORKS = ("ASGI", "FastAPI", "WSGI", "Flask", "Django", "REST framework")
PACKAGES = (
    "fastapi", "starlette", "flask", "django", "djangorestframework", "fastapi-users", "flask-jwt-extended", "authlib",
    "djangorestframework-simplejwt", "pyjwt",
)  # fmt: skip
REMEMBERED, ANEW = "Admit, remembered", "Admit, HS256 each time"
GOAL_ASGI, GOAL_HS256 = 5.0, 8.0


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
    nothing = by_name["FastAPI", NOTHING]
    goals = [replace(by_name["FastAPI", name], times=[], beside=[]) for name in (REMEMBERED, ANEW)]
    noise, hmacs = Noise(), []
    for _ in range(rounds):
        noise.sample()
        hmacs.append(primitive())
        for row in found:
            row.measure(BATCH, by_name[row.framework, BARE])
        for row in goals:
            row.measure(BATCH, nothing)
    text = report(by_name, goals, statistics.median(hmacs), rounds, noise)
    print(text)
    if "--save" in sys.argv:
        RESULT.write_text(text + "\n", "utf-8")


def report(
    by_name: Mapping[tuple[str, str], Row], goals: Sequence[Row], hmac: float, rounds: int, noise: Noise
) -> str:
    """The tables, as Markdown."""
    lines = []
    for framework in FRAMEWORKS:
        base = by_name[framework, BARE]
        bare = statistics.median(base.times)
        others = [row for (of, name), row in by_name.items() if of == framework and name != BARE]
        lines.append([framework, BARE, f"{bare:.1f}", "", ""])
        lines += [
            ["", row.name, f"{statistics.median(row.times):.1f}", f"{added(row):.1f}",
             f"{statistics.median(one / other for one, other in zip(row.times, row.beside, strict=True)):.2f}"]
            for row in sorted(others, key=added)
        ]  # fmt: skip
    asgi = added(by_name["ASGI", REMEMBERED])
    remembered, each_time = goals
    share = added(remembered) / statistics.median(remembered.beside)
    anew = added(each_time) - hmac
    return "\n\n".join(
        [
            heading("What protecting a route costs", PACKAGES),
            f"{rounds} rounds of {BATCH} requests a row, without a server around them. {noise}. All rows take an HS256 "
            "token; a token of another algorithm costs its signature more, once, where it is remembered. What the "
            "others do not look at (revocation, `typ`, the kind of token, doubled members) they do not pay for either; "
            "fastapi-users and simplejwt check neither scope nor role here.",
            table(["framework", "route", "CPU µs a request", "adds", "× bare"], lines),
            f"- ASGI, remembered: adds {asgi:.1f} µs; goal ≤ {GOAL_ASGI:.0f}: {verdict(met=asgi <= GOAL_ASGI)}.\n"
            f"- FastAPI, remembered, beside a dependency that does nothing: {share:+.1%} of the request's CPU time, "
            f"without a server.\n"
            f"- FastAPI, HS256 not remembered, beside the same and the primitive ({hmac:.1f} µs): adds {anew:.1f} µs; "
            f"goal ≤ {GOAL_HS256:.0f}: {verdict(met=anew <= GOAL_HS256)}.",
        ]
    )


if __name__ == "__main__":
    main()
