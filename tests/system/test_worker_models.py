"""How servers run applications: forked before or after the first use, several processes and loops, ended anyhow."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from admit.errors import RevokedError
from admit.verifier import AsyncVerifier, Revocation, TrustedIssuer, Verifier
from tests.fixtures.event_hub import EventHub
from tests.fixtures.processes import Child, free_port
from tests.fixtures.status_issuer import AUDIENCE, StatusIssuer, serve
from tests.plugins.patience import slack
from tests.plugins.patience import wait_until as until

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "apps" / "verifying.py"
ROOT = Path(__file__).resolve().parents[2]
SLOW = Revocation(max_staleness=timedelta(seconds=90), poll=timedelta(seconds=30))


@pytest.fixture
def issuer() -> Iterator[StatusIssuer]:
    with serve(StatusIssuer(events=EventHub())) as running:
        yield running


class Workers(Child):
    """A server with two worker processes; each request is a connection of its own, so that both are met."""

    def __init__(self, server: str, folder: Path, issuer: str) -> None:
        port = free_port()
        command = [sys.executable, str(PROGRAM), server, str(port), issuer]
        super().__init__(
            ["env", f"PYTHONPATH={ROOT}:{ROOT / 'src'}", *command],
            folder,
            server,
            port=port,
            ready="/health",
            host="localhost",
        )

    def ask(self, token: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/who", headers={"Authorization": f"Bearer {token}"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def pids(self, token: str, number: int = 2, **wanted: Any) -> set[int]:
        """The processes that answer as wanted: waits until there are as many."""
        found: dict[int, bool] = {}

        def enough() -> bool:
            answer = self.ask(token)
            found[answer["pid"]] = wanted.items() <= answer.items()
            return sum(found.values()) >= number

        until(enough)
        return {pid for pid, good in found.items() if good}


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn-used", "uvicorn"])
def test_every_worker_follows_by_itself_and_refuses_at_once(
    issuer: StatusIssuer, tmp_path: Path, server: str
) -> None:
    workers = Workers(server, tmp_path, issuer.issuer)
    workers.start()
    try:
        token, other = issuer.token(7), issuer.token(8)
        first = workers.pids(token, status=200, stream="open")
        issuer.end(7)
        ended = time.monotonic()
        assert workers.pids(token, status=401, code="invalid_token") == first
        assert time.monotonic() - ended < 5 + slack(), "far below the poll"
        assert workers.pids(other, status=200) == first
        if server != "uvicorn":
            os.kill(gone := next(iter(first)), signal.SIGKILL)
            until(lambda: len(workers.pids(other, status=200, stream="open") - {gone}) == 2)
            assert workers.pids(token, status=401, code="invalid_token") != first
    finally:
        workers.stop()
    assert "Traceback" not in workers.log, workers.log


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_opens_a_stream_of_its_own(issuer: StatusIssuer) -> None:
    assert issuer.events is not None
    verifier = Verifier(TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=SLOW))
    token = issuer.token(7)
    verifier.verify(token)
    until(lambda: verifier.health().issuers[0].stream == "open")
    ready, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
        child = os.fork()
    if child == 0:
        code = 1
        try:
            assert verifier.health().issuers[0].stream == "off"
            assert not verifier.health().issuers[0].up
            verifier.verify(token)
            verifier.core.source(issuer.issuer).force_poll()
            until(lambda: verifier.health().issuers[0].stream == "open")
            os.write(tell, b"x")
            until(lambda: is_refused(verifier, token))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(tell)
    assert os.read(ready, 1) == b"x"
    assert issuer.events.listening == 2
    issuer.end(7)
    until(lambda: is_refused(verifier, token))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert verifier.health().issuers[0].stream == "open", (
        "what the child did to its copy of the socket is its own"
    )
    verifier.close()
    os.close(ready)


def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except RevokedError:
        return True
    return False


def test_several_event_loops_in_threads_share_one_follower(issuer: StatusIssuer) -> None:
    before = set(threading.enumerate())
    verifier = AsyncVerifier(TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=SLOW))
    token, accepted, found = issuer.token(7), list[str](), list[str]()

    async def follow() -> None:
        await verifier.verify(token)
        accepted.append(threading.current_thread().name)
        while True:
            try:
                await verifier.verify(token)
            except RevokedError:
                found.append(threading.current_thread().name)
                return
            await asyncio.sleep(0.005)

    threads = [threading.Thread(target=asyncio.run, args=(follow(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(accepted) == 4 and verifier.health().issuers[0].stream == "open")
    issuer.end(7)
    for thread in threads:
        thread.join(10)
    assert len(set(found)) == 4
    new = [thread.name for thread in set(threading.enumerate()) - before]
    assert (new.count("admit-follower"), new.count("admit-stream")) == (1, 1)
    verifier.close()


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "not closed"])
def test_a_program_with_an_open_stream_ends_at_once_and_says_nothing(
    issuer: StatusIssuer, closes: bool
) -> None:
    program = f"""
import time
from admit.verifier import TrustedIssuer, Verifier
verifier = Verifier(TrustedIssuer({issuer.issuer!r}, audience="a"))
while verifier.health().issuers[0].stream != "open":
    verifier.ready()
    time.sleep(0.01)
print("open")
if {closes}:
    verifier.close()
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "open\n", "")
    assert time.monotonic() - started < 10 + slack()
