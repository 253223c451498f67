"""What protecting a route costs in each framework: `python benchmarks/integrations/bench.py [rounds] [--save]`.

One process, requests put through the application without a server, CPU time. Every round runs all rows one after
another, so that a busy machine hurts all of them. *Adds* is the median of the rounds' differences to the framework's
own bare route.
"""

import statistics
import sys
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
GOAL_ASGI, GOAL_HS256 = 5.0, 8.0


def primitive() -> float:
    """CPU µs of HMAC-SHA256 over the token's signing input, and nothing else."""
    signed = caller.token().rpartition(".")[0].encode()
    start = process_time()
    for _ in range(20_000):
        digest(caller.SECRET, signed, sha256)
    return (process_time() - start) / 20_000 * 1e6


def added(row: Row, base: Row) -> float:
    """The median of what a request took longer than the bare route's of the same round, µs."""
    return statistics.median(one - other for one, other in zip(row.times, base.times, strict=True))


def main() -> None:
    rounds = next((int(word) for word in sys.argv[1:] if word.isdigit()), 200)
    found = [*asgi_rows.rows(), *wsgi_rows.rows()]
    for row in found:
        if (status := row.call()) not in (200, 204):
            raise SystemExit(f"{row.framework}, {row.name}: not let in ({status})")
        row.measure(BATCH)
        row.times.clear()
    noise, hmacs = Noise(), []
    for _ in range(rounds):
        noise.sample()
        hmacs.append(primitive())
        for row in found:
            row.measure(BATCH)
    text = report(found, statistics.median(hmacs), rounds, noise)
    print(text)
    if "--save" in sys.argv:
        RESULT.write_text(text + "\n", "utf-8")


def report(found: list[Row], hmac: float, rounds: int, noise: Noise) -> str:
    """The tables, as Markdown."""
    by_name = {(row.framework, row.name): row for row in found}
    lines = []
    for framework in FRAMEWORKS:
        base = by_name[framework, BARE]
        bare = statistics.median(base.times)
        others = sorted(
            (row for row in found if row.framework == framework and row is not base),
            key=lambda row: added(row, base),
        )
        lines.append([framework, BARE, f"{bare:.1f}", "", ""])
        lines += [
            ["", row.name, f"{statistics.median(row.times):.1f}", f"{added(row, base):.1f}",
             f"{1 + added(row, base) / bare:.2f}"]
            for row in others
        ]  # fmt: skip
    asgi = added(by_name["ASGI", "Admit, remembered"], by_name["ASGI", BARE])
    nothing, guard = by_name["FastAPI", NOTHING], by_name["FastAPI", "Admit, remembered"]
    share = added(guard, nothing) / statistics.median(nothing.times)
    anew = added(by_name["FastAPI", "Admit, HS256 each time"], nothing) - hmac
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
