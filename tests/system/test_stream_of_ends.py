"""The stream of ends against real issuer processes: ended at one, refused by a verifier at the other, at once.

And what all of it costs on the wire: counted between the verifier and the issuer, headers included.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import httpcore2
import pytest

from admit.errors import RevokedError
from admit.fetch import Fetcher
from admit.verifier import Revocation, TrustedIssuer, Verifier
from admit.verifier.follower import Follower
from tests.fixtures.issuer import ADA, API, BO
from tests.fixtures.processes import Deployment, deployment, furnished_sqlite_url
from tests.plugins.patience import slack
from tests.plugins.patience import wait_until as until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

POLL = timedelta(seconds=20)
"""Whatever is known sooner came by the stream."""


class Counted(httpcore2.NetworkStream):
    """One connection, counted in both directions."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self.sent = self.received = 0
        self.told = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, timeout)
        self.received += len(data)
        self.told = (self.told + data)[-4_096:]
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.sent += len(buffer)
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Wire(httpcore2.SyncBackend):
    """Counts what goes over the wire: `connections[0]` asks, the next ones are streams."""

    def __init__(self) -> None:
        self.connections: list[Counted] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        self.connections.append(
            Counted(super().connect_tcp(host, port, timeout, local_address, socket_options))
        )
        return self.connections[-1]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("stream")
    with deployment(folder, furnished_sqlite_url(folder)) as made:
        yield made


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def verifier(two: Deployment, wire: Wire) -> Iterator[Verifier]:
    revocation = Revocation(max_staleness=3 * POLL, poll=POLL)
    fetcher = Fetcher(frozenset({two.issuer}), backend=wire)
    made = Verifier(TrustedIssuer(two.issuer, audience=API, revocation=revocation), fetcher=fetcher)
    yield made
    made.close()
    fetcher.close()


def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except RevokedError:
        return True
    return False


def follower_of(verifier: Verifier, two: Deployment) -> Follower:
    source = verifier.core.source(two.issuer)
    assert isinstance(source, Follower)
    return source


@pytest.mark.threat("O-3")
async def test_signed_out_at_one_node_and_refused_at_once_by_a_verifier_of_the_other(
    two: Deployment, verifier: Verifier, wire: Wire, rounds: Callable[..., range]
) -> None:
    follower = follower_of(verifier, two)
    for turn in rounds(test=3, soak=50):
        async with two.visitor() as visitor, two.visitor() as other:
            token = (tokens := await visitor.at(two.beside).tokens(ADA))["access_token"]
            kept = (await other.at(two.beside).tokens(BO))["access_token"]
            verifier.verify(token)
            verifier.verify(kept)
            until(lambda: verifier.health().issuers[0].stream == "open")
            polls, heard = follower.counters.polls, wire.connections[-1].received
            done = await visitor.log_out(tokens["id_token"])
            took = until(lambda token=token: is_refused(verifier, token))  # type: ignore[misc]  # binds this turn's
            assert done.status_code == 200
            print(f"logout to refused {turn}: {took * 1000:.0f} ms")
            assert took < 1.0 + slack()
            assert follower.counters.polls == polls, "nobody asked"
            assert not is_refused(verifier, kept)
            told = wire.connections[-1].received - heard
            print(f"one end on the wire: {told} octets {wire.connections[-1].told[-told:]!r}")
            assert told <= 2 * 64 + 40, "the session and its grant, an event's frame, perhaps a comment"
    # What the stream told makes the lists just what the next head names.
    follower._agenda.hint()
    until(lambda: follower.counters.polls > polls)
    until(
        lambda: (
            follower.counters.polls
            == sum(follower.counters.polls_failed.values()) + follower.counters.polls_proved
        )
    )
    assert follower.counters.polls_failed == {}
    assert follower.counters.lists_spared >= 1


async def test_an_unchanged_poll_is_small(two: Deployment, verifier: Verifier, wire: Wire) -> None:
    follower = follower_of(verifier, two)
    verifier.ready()
    until(lambda: verifier.health().issuers[0].stream == "open")
    asking = wire.connections[0]
    sent, received, polls = asking.sent, asking.received, follower.counters.polls_proved
    follower._agenda.hint()
    until(lambda: follower.counters.polls_proved > polls)
    assert len(wire.connections) == 2, "one connection is kept for all questions"
    print(f"unchanged poll: {asking.sent - sent} octets sent, {asking.received - received} received")
    print(asking.told[-(asking.received - received) :])
    assert asking.received - received <= 800
