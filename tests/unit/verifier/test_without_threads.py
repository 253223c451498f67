"""`background=False`: whoever verifies does what is due, one at a time, and there is no thread."""

import asyncio
import gc
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from admit.credentials import lookup
from admit.errors import KeyNotFoundError, KeysUnavailableError, RevokedError, StaleRevocationError
from admit.fetch import Response
from admit.jose import JWK
from admit.principal import CredentialKind, Principal
from admit.verifier import (
    AsyncVerifier,
    Found,
    RemoteLookup,
    Revocation,
    StatusRef,
    TrustedIssuer,
    Verifier,
)
from tests.fixtures.event_hub import EventHub
from tests.fixtures.status_issuer import AUDIENCE, Clock, FakeNet, StatusIssuer
from tests.plugins.patience import patience


class Slow(FakeNet):
    """Lets a test hold answers back."""

    def __init__(self, issuer: StatusIssuer) -> None:
        super().__init__(issuer)
        self.held = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.threads: set[str] = set()

    def get(self, url: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
        self.threads.add(threading.current_thread().name)
        if not self.go.is_set():
            self.held.set()
            assert self.go.wait(2 * patience())
        return super().get(url, headers, **more)


@pytest.fixture
def issuer(clock: Clock) -> StatusIssuer:
    return StatusIssuer(clock=clock.walltime, events=EventHub())


@pytest.fixture
def net(issuer: StatusIssuer) -> Slow:
    return Slow(issuer)


def made(kind: Any, issuer: StatusIssuer, net: Slow, clock: Clock) -> Any:
    return kind(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation()),
        fetcher=net,
        wall=clock.walltime,
        boottime=clock.boottime,
        background=False,
    )


@pytest.fixture
def verifier(issuer: StatusIssuer, net: Slow, clock: Clock) -> Iterator[Verifier]:
    found: Verifier = made(Verifier, issuer, net, clock)
    yield found
    found.close()


def test_no_thread_is_started_and_no_stream_is_opened(
    verifier: Verifier, issuer: StatusIssuer, net: Slow
) -> None:
    before = threading.active_count()
    assert verifier.verify(issuer.token()).subject == "u_alice"
    assert verifier.ready()
    assert threading.active_count() == before
    assert net.threads == {threading.current_thread().name}
    assert issuer.hits == ["/.well-known/openid-configuration", "/jwks", "/status/head", "/status/0"]


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
def test_what_is_due_is_asked_for_by_whoever_comes_also_with_a_remembered_token(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    remembered, other = issuer.token(7), issuer.token(8)
    verifier.verify(remembered)
    verifier.verify(other)
    asked = len(issuer.hits)
    issuer.end(7)
    verifier.verify(remembered)
    assert len(issuer.hits) == asked, "nothing is due yet"
    clock.pass_time(5.1)
    with pytest.raises(RevokedError):
        verifier.verify(remembered)
    assert len(issuer.hits) == asked + 2
    verifier.verify(other)
    assert len(issuer.hits) == asked + 2


def test_one_asks_and_the_others_go_on_with_what_is_held(
    verifier: Verifier, issuer: StatusIssuer, net: Slow, clock: Clock
) -> None:
    token = issuer.token()
    verifier.verify(token)
    clock.pass_time(6)
    net.go.clear()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(verifier.verify, token)
        assert net.held.wait(patience())
        for position in range(20):
            verifier.verify(issuer.token(position))  # each at once, though the answer hangs
        net.go.set()
        assert asking.result(10).subject == "u_alice"
    assert issuer.hits.count("/status/head") == 2


def test_who_comes_too_late_for_what_is_held_waits_for_the_one_that_asks(
    verifier: Verifier, issuer: StatusIssuer, net: Slow, clock: Clock
) -> None:
    token = issuer.token()
    verifier.verify(token)
    clock.pass_time(60)
    net.go.clear()
    with ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(verifier.verify, token) for _ in range(5)]
        assert net.held.wait(patience())
        net.go.set()
        assert {one.result(10).subject for one in asking} == {"u_alice"}
    assert issuer.hits.count("/status/head") == 2


def test_many_at_a_cold_start_ask_once(verifier: Verifier, issuer: StatusIssuer, net: Slow) -> None:
    net.go.clear()
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(verifier.verify, issuer.token(position)) for position in range(8)]
        assert net.held.wait(patience())
        net.go.set()
        assert len([one.result(10) for one in asking]) == 8
    assert issuer.hits.count("/jwks") == 1
    assert issuer.hits.count("/status/head") == 1


@pytest.mark.threat("O-4", off="admit.verifier.freshness:check_current")
def test_past_the_bound_it_is_503_and_good_again_afterwards(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    token = issuer.token()
    verifier.verify(token)
    issuer.down = True
    for _ in range(6):
        clock.pass_time(5)
        verifier.verify(token)
    clock.pass_time(5)
    with pytest.raises(StaleRevocationError):
        verifier.verify(token)
    issuer.down = False
    clock.pass_time(5)
    verifier.verify(token)


def test_an_outage_is_asked_about_at_the_pace_of_the_poll(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    token = issuer.token()
    verifier.verify(token)
    issuer.down = True
    clock.pass_time(6)
    asked = len(issuer.hits)
    for _ in range(100):
        verifier.verify(token)
    assert len(issuer.hits) == asked + 1


def test_a_new_key_is_fetched_when_its_first_token_comes(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    verifier.verify(issuer.token())
    issuer.key = JWK.generate("ES256")
    assert verifier.verify(issuer.token()).subject == "u_alice"
    for _ in range(20):
        with pytest.raises(KeyNotFoundError):
            verifier.verify(issuer.token(key=JWK.generate("ES256")))
    assert issuer.hits.count("/jwks") == 2, "within 30 s strangers cause no other"


def test_a_cold_start_without_the_issuer_is_503_and_heals(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    issuer.down = True
    with pytest.raises(KeysUnavailableError):
        verifier.verify(issuer.token())
    issuer.down = False
    clock.pass_time(5)
    assert verifier.verify(issuer.token()).subject == "u_alice"


@pytest.mark.anyio
async def test_in_an_event_loop_asking_does_not_hold_up_the_loop(
    issuer: StatusIssuer, net: Slow, clock: Clock
) -> None:
    verifier: AsyncVerifier = made(AsyncVerifier, issuer, net, clock)
    net.go.clear()
    asking = asyncio.create_task(verifier.verify(issuer.token()))
    assert await asyncio.to_thread(net.held.wait, 5)
    net.go.set()
    assert (await asking).subject == "u_alice"
    assert threading.main_thread().name not in net.threads


@pytest.mark.anyio
async def test_a_kept_session_is_held_to_what_is_asked_for_in_time(
    issuer: StatusIssuer, net: Slow, clock: Clock
) -> None:
    verifier: AsyncVerifier = made(AsyncVerifier, issuer, net, clock)
    principal = Principal(
        issuer=issuer.issuer,
        subject="u",
        client_id="c",
        audience=frozenset({AUDIENCE}),
        credential=CredentialKind.SESSION,
    )
    issuer.sessions["AAAA"] = lookup.encode(Found(principal, StatusRef(0, 7), clock.wall + 900))
    sessions = RemoteLookup(issuer.issuer, AUDIENCE, "secret", fetcher=net)  # type: ignore[arg-type]  # stands in
    await verifier.verify_session(sessions, b"\0\0\0", AUDIENCE)
    assert "/status/head" in issuer.hits
    verifier.close()


def test_a_verifier_that_is_let_go_of_stops_its_threads(
    issuer: StatusIssuer, net: Slow, clock: Clock
) -> None:
    before = set(threading.enumerate())
    verifier = Verifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation()),
        fetcher=net,  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
    )
    verifier.verify(issuer.token())
    threads = [one for one in set(threading.enumerate()) - before if one.name == "admit-follower"]
    assert len(threads) == 1
    del verifier
    gc.collect()
    for thread in threads:
        thread.join(patience())
        assert not thread.is_alive()
