"""How long after a log-out do APIs still let its credentials in? Measured over processes, and held to the bound.

Logged out at one issuer process, while both APIs ask the other one. `make soak` repeats it with the defaults and writes
`benchmarks/results/logout-to-refused.md`. Time is real here: it is what is measured.
"""

import asyncio
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest

from tests.fixtures.issuer import ADA, BO
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import (
    Child,
    Deployment,
    Visitor,
    deployment,
    furnished_postgresql_url,
    start_all,
    stop_all,
)
from tests.plugins.patience import slack
from tests.plugins.rounds import TIER

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
Rounds = Callable[..., range]

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "logout-to-refused.md"
SLACK = slack()
# The defaults of the verifier where it matters; where every run waits for it, shorter ones.
POLL, BOUND = (5.0, 30.0) if TIER == "soak" else (1.0, 4.0)
NAMED: dict[str, float] = {} if TIER == "soak" else {"poll": POLL, "max_staleness": BOUND}


@dataclass(slots=True)
class Measured:
    """Seconds, by what was measured; written down at the end of a soak."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def note(self, what: str, seconds: float) -> None:
        self.of.setdefault(what, []).append(seconds)
        print(f"{what}: {seconds:.2f} s")

    def rows(self) -> Iterator[tuple[str, int, float, float]]:
        for what, seconds in self.of.items():
            yield what, len(seconds), median(seconds), max(seconds)


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    """What this module measured; printed always, kept by a soak."""
    kept = Measured()
    yield kept
    for what, number, middle, worst in kept.rows():
        print(f"{what}: {number} times, median {middle:.2f} s, worst {worst:.2f} s")
    if TIER == "soak" and kept.of:
        write_results(kept)


def write_results(kept: Measured) -> None:
    lines = [
        "# Logout to refused",
        "",
        f"Two issuer processes and two API processes on one PostgreSQL; verifier defaults: asked every {POLL:.0f} s, "
        f"bound {BOUND:.0f} s.",
        "Logged out at one issuer process, revocations asked of the other. Counted from the answer to the log-out, at "
        "each API.",
        "",
        "| measured | times | median | worst |",
        "|---|---|---|---|",
        *(f"| {what} | {number} | {mid:.2f} s | {worst:.2f} s |" for what, number, mid, worst in kept.rows()),
        "",
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors. Written by `make soak`; rounds that wait out the bound are fewer, since each "
        f"takes longer than {BOUND:.0f} s.",
        "",
    ]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def two(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder, url = tmp_path_factory.mktemp("logout"), furnished_postgresql_url(postgres_server)
    with deployment(folder, url, apis=[NAMED] * 2) as made:
        yield made


@dataclass(slots=True)
class Change:
    """The first answer of another status than before, and when it came."""

    status: int
    body: Any
    headers: Any
    at: float


async def watch(visitor: Visitor, api: Child, token: str | None, *, within: float, of: int = 200) -> Change:
    """Ask again and again until the answer is no longer `of`."""
    until = time.monotonic() + within
    while True:
        answer = await visitor.ask(api, token=token)
        now = time.monotonic()
        if answer.status_code != of:
            return Change(answer.status_code, answer.json(), answer.headers, now)
        assert now < until, f"still {of} after {within:.1f} s"
        await asyncio.sleep(0.02)


def check_refused(change: Change) -> None:
    """401 by token or session; a token's with its code and challenge."""
    assert change.status == 401, change.body
    assert change.body["error"] in ("invalid_token", "invalid_session")
    if change.body["error"] == "invalid_token":
        assert 'error="invalid_token"' in change.headers["www-authenticate"]


def check_stale(change: Change) -> None:
    """503 with its own code and when to come again: never 401, for which clients would throw tokens away."""
    assert (change.status, change.body["error"]) == (503, "revocation_stale"), change.body
    assert int(change.headers["retry-after"]) > 0


@pytest.mark.threat("O-3")
async def test_logged_out_at_one_node_refused_by_both_apis_within_the_poll(
    two: Deployment, measured: Measured, rounds: Rounds, rng: Random
) -> None:
    for _ in rounds(test=1, soak=20):
        async with two.visitor() as visitor, two.visitor() as other:
            tokens = await visitor.at(two.beside).tokens(ADA)
            others = await other.at(two.beside).tokens(BO)
            token = tokens["access_token"]
            for api in two.apis:
                assert (await visitor.ask(api, token=token)).status_code == 200
                assert (await visitor.ask(api)).status_code == 200
            cookies = dict(visitor.cookies)
            await asyncio.sleep(rng.uniform(0, POLL) if TIER == "soak" else 0)  # anywhere between two polls
            done = await visitor.log_out(tokens["id_token"])
            acknowledged = time.monotonic()
            assert done.status_code == 200, done.text
            visitor.cookies.update(cookies)  # somebody kept them
            both = [(api, by) for api in two.apis for by in (token, None)]
            changes = await asyncio.gather(
                *(watch(visitor, api, by, within=POLL + SLACK + 5) for api, by in both)
            )
            for (_, by), change in zip(both, changes, strict=True):
                check_refused(change)
                measured.note("token refused" if by else "session refused", change.at - acknowledged)
                assert change.at - acknowledged <= POLL + SLACK
            for node in two.nodes:
                refused = await visitor.at(node).refresh(tokens["refresh_token"])
                assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
                assert (await visitor.get("/api/session")).status_code == 401
            for api in two.apis:
                assert (await other.ask(api, token=others["access_token"])).status_code == 200


@pytest.mark.threat("O-4", off_system="admit.verifier.freshness:check_current")
async def test_a_log_out_that_apis_cannot_learn_of_is_refused_at_the_bound(
    two: Deployment, measured: Measured, rounds: Rounds
) -> None:
    for _ in rounds(test=1, soak=3):
        async with two.visitor() as visitor:
            tokens = await visitor.at(two.beside).tokens(ADA)
            token = tokens["access_token"]
            for api in two.apis:  # which may know an end by the stream, and not be fresh again yet
                assert (await watch(visitor, api, token, within=POLL + SLACK + 5, of=503)).status == 200
            two.front.stop()
            done = await visitor.at(two.beside).log_out(tokens["id_token"])
            acknowledged = time.monotonic()
            assert done.status_code == 200, done.text
            changes = await asyncio.gather(
                *(watch(visitor, api, token, within=BOUND + SLACK) for api in two.apis)
            )
            for change in changes:
                check_stale(change)
                measured.note("cut off, token no longer taken", change.at - acknowledged)
                assert change.at - acknowledged <= BOUND + SLACK
            two.front.start()
            began = time.monotonic()
            changes = await asyncio.gather(
                *(watch(visitor, api, token, within=POLL + SLACK + 5, of=503) for api in two.apis)
            )
            for change in changes:
                check_refused(change)
                measured.note("issuer back, token revoked", change.at - began)
                assert change.at - began <= POLL + SLACK


@pytest.mark.soak
@pytest.mark.threat("O-3", off_system="admit.issuer.revocation.reading:bits_of")
async def test_past_the_bound_without_an_issuer_503_and_with_it_200_again_and_what_was_ended_stays_so(
    two: Deployment, measured: Measured, rounds: Rounds
) -> None:
    for _ in rounds(test=1, soak=3):
        async with two.visitor() as visitor, two.visitor() as other:
            ended, alive = await visitor.at(two.beside).tokens(ADA), (await other.tokens(BO))["access_token"]
            token = ended["access_token"]
            for api in two.apis:
                assert (await watch(other, api, alive, within=POLL + SLACK + 5, of=503)).status == 200
            await visitor.log_out(ended["id_token"])
            await asyncio.gather(*(watch(visitor, api, token, within=POLL + SLACK + 5) for api in two.apis))
            stop_all(*two.nodes)
            stopped = time.monotonic()
            for api in two.apis:
                assert (await other.ask(api, token=alive)).status_code == 200  # an outage begins gently
                check_refused(await watch(visitor, api, token, within=SLACK))
            for change in await asyncio.gather(
                *(watch(other, api, alive, within=BOUND + SLACK) for api in two.apis)
            ):
                check_stale(change)
                measured.note("issuer stopped, 503", change.at - stopped)
                assert BOUND - POLL - SLACK <= change.at - stopped <= BOUND + SLACK
            start_all(*two.nodes)
            began = time.monotonic()
            for change in await asyncio.gather(
                *(watch(other, api, alive, within=POLL + SLACK + 5, of=503) for api in two.apis)
            ):
                assert change.status == 200, change.body
                measured.note("issuer back, 200", change.at - began)
                assert change.at - began <= POLL + SLACK
            two.apis[1].stop()
            two.apis[1].start()  # it holds nothing from before, and is told by an issuer that started anew
            for api in two.apis:
                check_refused(await watch(visitor, api, token, within=SLACK))
            for node in two.nodes:
                refused = await visitor.at(node).refresh(ended["refresh_token"])
                assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
