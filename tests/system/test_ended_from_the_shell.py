"""Ended by a command, as an operator does it: refused by an API process within its bound, and nobody else is."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from admit.jwt import peek_unverified_header
from tests.fixtures.issuer import ADA, BO
from tests.fixtures.processes import (
    Deployment,
    Visitor,
    furnished_postgresql_url,
    furnished_sqlite_url,
    start_all,
)
from tests.plugins.patience import slack

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
POLL, BOUND = 1.0, 4.0
SLACK = slack()
CHECK_BIT = "admit.verifier.freshness:check_bit"


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One issuer process and one API process."""
    folder = tmp_path_factory.mktemp("shell")
    url = (
        furnished_sqlite_url(folder)
        if request.param == "sqlite"
        else furnished_postgresql_url(request.getfixturevalue("postgres_server"))
    )
    made = Deployment(folder, url, {"revocation": {"max_staleness": f"{BOUND:.0f}s"}})
    api = made.api(poll=POLL, max_staleness=BOUND)
    try:
        start_all(made.front, api)
        yield made
    finally:
        made.close()


@pytest.fixture
async def ada(running: Deployment) -> AsyncIterator[Visitor]:
    async with running.visitor() as made:
        yield made


@pytest.fixture
async def bo(running: Deployment) -> AsyncIterator[Visitor]:
    async with running.visitor() as made:
        yield made


def command(running: Deployment, *arguments: str) -> dict[str, object]:
    """A command of ours, to its end; what it answered for programs."""
    done = running.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


async def refused_after(running: Deployment, visitor: Visitor, token: str) -> float:
    """The seconds until the API says 401; never anything but 200 before."""
    began = time.monotonic()
    while (answer := await visitor.ask(running.apis[0], token=token)).status_code == 200:
        assert time.monotonic() - began < BOUND + SLACK, "let in beyond the bound"
        await asyncio.sleep(0.02)
    assert (answer.status_code, answer.headers["www-authenticate"].count("invalid_token")) == (401, 1), (
        answer.text
    )
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("running", "what"),
    [
        pytest.param("sqlite", "session", marks=pytest.mark.threat("SES-6", off_system=CHECK_BIT)),
        pytest.param("sqlite", "grant", marks=pytest.mark.threat("SES-6", off_system=CHECK_BIT)),
        ("sqlite", "key"),  # refused by its kid and for want of its key: no one defence
        pytest.param(
            "postgresql", "user", marks=[pytest.mark.soak, pytest.mark.threat("SES-6", off_system=CHECK_BIT)]
        ),
        pytest.param(
            "postgresql",
            "client",
            marks=[pytest.mark.soak, pytest.mark.threat("SES-6", off_system=CHECK_BIT)],
        ),
    ],
    indirect=["running"],
    scope="module",
)
async def test_what_a_command_ended_is_refused_within_the_bound_and_nothing_else_is(
    running: Deployment, ada: Visitor, bo: Visitor, what: str
) -> None:
    client = "web" if what == "client" else "spa"
    hers = (await ada.tokens(ADA, client))["access_token"]
    his = (await bo.tokens(BO, "spa"))["access_token"]
    for visitor, token in ((ada, hers), (bo, his)):
        assert (await visitor.ask(running.apis[0], token=token)).status_code == 200
    sid = (await ada.get("/api/session")).json()["sid"]
    grants = (await ada.get("/api/grants")).json()["grants"]
    ends = {
        "session": ("session", "end", sid),
        "grant": ("grant", "end", next(grant["id"] for grant in grants if grant["session_id"] == sid)),
        "key": ("key", "revoke", peek_unverified_header(hers)["kid"]),
        "user": ("user", "sign-out", ADA[0], "--everywhere"),
        "client": ("client", "end", client),
    }
    assert command(running, *ends[what])["refused_within"] == BOUND
    took = await refused_after(running, ada, hers)
    print(f"{what}: refused {took:.2f} s after the command had answered")
    others = await bo.ask(running.apis[0], token=his)
    assert others.status_code == (401 if what == "key" else 200), (
        "his session, grant and client are another's"
    )
    signed_in = (await ada.get("/api/session")).status_code
    assert signed_in == (401 if what in ("session", "user") else 200)
