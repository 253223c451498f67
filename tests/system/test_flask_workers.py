"""A guard in Flask behind gunicorn, preloaded: workers take sessions and tokens, and refuse them when they end."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.fixtures.issuer import ADA
from tests.fixtures.processes import ROOMY, Child, Deployment, furnished_sqlite_url, start_all
from tests.plugins.patience import patience

pytestmark = [pytest.mark.soak, pytest.mark.anyio]
PROGRAM = Path(__file__).parent / "apps" / "guarded_flask.py"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[Deployment, Child]]:
    made = Deployment(tmp_path, furnished_sqlite_url(tmp_path), ROOMY)
    made.front.start()
    described = made.api()  # for its settings; it is gunicorn that runs
    config = tmp_path / "api-0.json"
    root = PROGRAM.parents[3]
    command = ["env", f"PYTHONPATH={root}:{root / 'src'}", sys.executable, str(PROGRAM), str(config)]
    workers = Child(command, tmp_path, "gunicorn", port=described.port, ready="/health", host="localhost")
    try:
        start_all(workers)
        yield made, workers
    finally:
        workers.stop()
        made.close()
    assert "Traceback" not in workers.log, workers.log


async def test_each_worker_takes_sessions_and_tokens_until_they_end(
    running: tuple[Deployment, Child],
) -> None:
    deployed, workers = running
    with anyio.fail_after(6 * patience()):
        await taken_and_refused(deployed, workers)


async def taken_and_refused(deployed: Deployment, workers: Child) -> None:
    url = f"http://127.0.0.1:{workers.port}/who"
    async with deployed.visitor() as ada:
        tokens = await ada.tokens(ADA)
        cookie = "; ".join(f"{name}={value}" for name, value in ada.cookies.items())
        ways = {"session": {"cookie": cookie}, "token": {"authorization": f"Bearer {tokens['access_token']}"}}

        async def ask(way: str) -> httpx2.Response:
            async with (
                httpx2.AsyncClient() as client
            ):  # a connection of its own, so that both workers are met
                return await client.get(url, headers=ways[way])

        async def workers_met(way: str) -> set[int]:
            found: set[int] = set()
            async with anyio.create_task_group() as group:

                async def one() -> None:
                    answer = await ask(way)
                    assert (answer.status_code, answer.json()["by"]) == (200, way), answer.text
                    found.add(answer.json()["pid"])

                for _ in range(20):
                    group.start_soon(one)
            return found

        met: set[int] = set()
        while len(met) < 2:
            met |= await workers_met("session") | await workers_met("token")
        os.kill(gone := min(met), signal.SIGKILL)
        while len(met - {gone}) < 2:  # the one that took its place does as well
            try:
                met |= await workers_met("session") | await workers_met("token")
            except* httpx2.HTTPError:
                pass  # what the killed one had taken
        await ada.log_out(tokens["id_token"])

        async def over(way: str) -> bool:
            return [(await ask(way)).status_code for _ in range(20)] == [401] * 20

        for way in ways:
            while not await over(way):
                continue
