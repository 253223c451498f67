"""Streams never take all the descriptors of a process."""

import resource
import subprocess
import sys

import pytest

from admit.errors import TooManyStreamsError
from admit.issuer.revocation import RevocationConfig, descriptors
from tests.fixtures.families import Process

pytestmark = pytest.mark.anyio

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # nothing in it is SQL's


@pytest.mark.parametrize(
    ("most", "limit", "streams"),
    [(1_000, 1_024, 512), (1_000, 20_000, 1_000), (1_000, None, 1_000), (0, 10, 0)],
)
def test_half_of_the_descriptors_are_for_everything_else(most: int, limit: int | None, streams: int) -> None:
    assert descriptors.affordable(most, limit) == streams


@on_sqlite
@pytest.mark.threat("INF-size", off="admit.issuer.revocation.descriptors:affordable")
async def test_a_process_with_few_descriptors_opens_few_streams(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 10))
    status = type(process.service)(process.db, process.lists, "https://id.example.com", RevocationConfig())
    for _ in range(5):
        status.stream.subscribe()
    with pytest.raises(TooManyStreamsError):
        status.stream.subscribe()


@pytest.mark.parametrize(("hard", "soft"), [(700, 700), (200, 200)])
def test_a_server_takes_what_the_system_lets_it_have(hard: int, soft: int) -> None:
    program = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))\n"
        "from admit.issuer.revocation import descriptors\n"
        "descriptors.raise_limit()\n"
        "print(descriptors.limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(soft), str(hard)]
