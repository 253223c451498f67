"""The follower over real sockets and real time: an end is known soon, an outage is noticed, a fork goes on."""

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from admit.credentials import lookup
from admit.errors import KeysUnavailableError, RevokedError, SessionError, StaleRevocationError
from admit.jose import base64url
from admit.principal import CredentialKind, Principal
from admit.verifier import AsyncVerifier, Found, RemoteLookup, Revocation, StatusRef, TrustedIssuer, Verifier
from tests.fixtures.status_issuer import AUDIENCE, StatusIssuer, serve
from tests.plugins.patience import slack

QUICK = Revocation(max_staleness=timedelta(seconds=2), poll=timedelta(milliseconds=200))


@pytest.fixture(params=["", "/auth/tenant"], ids=["root", "path"])
def issuer(request: pytest.FixtureRequest) -> Iterator[StatusIssuer]:
    with serve(StatusIssuer(), path=request.param) as running:
        yield running


@pytest.fixture
def verifier(issuer: StatusIssuer) -> Iterator[Verifier]:
    made = Verifier(TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=QUICK))
    yield made
    made.close()


def until(error: type[Exception], attempt: Callable[[], object], *, within: float = 30.0) -> float:
    """Try until the error comes; the seconds that took. Fails when it does not."""
    started = time.monotonic()
    while (took := time.monotonic() - started) < within:
        try:
            attempt()
        except error:
            return took
        time.sleep(0.01)
    pytest.fail(f"no {error.__name__} within {within} s")


def until_good(attempt: Callable[[], object], *, within: float = 30.0) -> None:
    started = time.monotonic()
    while True:
        try:
            attempt()
        except StaleRevocationError:
            assert time.monotonic() - started < within
            time.sleep(0.01)
        else:
            return


def test_an_end_is_known_within_the_poll_and_no_request_asked_for_it(
    issuer: StatusIssuer, verifier: Verifier
) -> None:
    token, other = issuer.token(7), issuer.token(8)
    verifier.verify(token)
    verifier.verify(other)
    issuer.hits.clear()
    issuer.end(7)
    took = until(RevokedError, lambda: verifier.verify(token))
    assert took < 0.2 + slack()
    verifier.verify(other)
    # Dozens of requests were made meanwhile; what was asked is what the thread asks by itself.
    assert len(issuer.hits) <= 2 * (took / 0.15 + 2)


def test_past_the_bound_503_and_200_again_when_the_issuer_is_back(
    issuer: StatusIssuer, verifier: Verifier
) -> None:
    token = issuer.token(7)
    verifier.verify(token)
    issuer.down = True
    took = until(StaleRevocationError, lambda: verifier.verify(token))
    assert 1.5 < took < 2 + slack()
    assert not verifier.ready()
    issuer.end(7)
    issuer.down = False
    until(RevokedError, lambda: until_good(lambda: verifier.verify(token)))
    until_good(lambda: verifier.verify(issuer.token(8)))
    assert verifier.ready()


def test_one_thread_follows_and_threads_share_its_first_answers(
    issuer: StatusIssuer, verifier: Verifier
) -> None:
    before = set(threading.enumerate())
    with ThreadPoolExecutor(8) as pool:
        tokens = [issuer.token(position) for position in range(24)]
        assert len(list(pool.map(verifier.verify, tokens))) == 24
    followers = [one for one in set(threading.enumerate()) - before if one.name == "admit-follower"]
    assert len([thread for thread in followers if thread.is_alive()]) == 1
    assert sum(path.endswith("/jwks") for path in issuer.hits) == 1
    verifier.close()
    assert not any(thread.is_alive() for thread in followers)


def test_a_verifier_serves_one_event_loop_after_another(issuer: StatusIssuer) -> None:
    verifier = AsyncVerifier(TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=QUICK))

    async def many() -> int:
        found = await asyncio.gather(*(verifier.verify(issuer.token(position)) for position in range(10)))
        return len(found)

    assert [asyncio.run(many()) for _ in range(2)] == [10, 10]
    verifier.close()


def test_sessions_are_looked_up_over_http_in_one_event_loop_after_another(issuer: StatusIssuer) -> None:
    id_hash = hashlib.sha256(b"raw").digest()
    principal = Principal(
        issuer=issuer.issuer,
        subject="u_alice",
        client_id="admit",
        audience=frozenset({AUDIENCE}),
        credential=CredentialKind.SESSION,
    )
    found = lookup.encode(Found(principal, StatusRef(0, 3), time.time() + 60))
    issuer.sessions[base64url.encode(id_hash).decode()] = found
    verifier = AsyncVerifier(TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=QUICK))
    sessions = RemoteLookup(issuer.issuer, AUDIENCE, "secret", cache=timedelta(0))

    async def who() -> Principal:
        try:
            return await verifier.verify_session(sessions, id_hash, AUDIENCE)
        finally:
            await sessions.aclose()

    assert asyncio.run(who()) == asyncio.run(who()) == principal
    issuer.sessions.clear()
    with pytest.raises(SessionError):
        asyncio.run(who())
    verifier.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_follows_by_itself(issuer: StatusIssuer, verifier: Verifier) -> None:
    token = issuer.token(7)
    verifier.verify(token)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
        child = os.fork()
    if child == 0:
        code = 1
        try:
            alone = not any(thread.name == "admit-follower" for thread in threading.enumerate())
            verifier.verify(token)  # from what the parent held
            verifier.verify(issuer.token(9))
            issuer_says_so = until(RevokedError, lambda: verifier.verify(token))
            code = 0 if alone and issuer_says_so < 5 else 2
        finally:
            os._exit(code)
    issuer.end(7)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    until(RevokedError, lambda: verifier.verify(token))


def test_a_program_ends_at_once_though_its_issuer_hangs() -> None:
    program = """
import socket, threading, time
from datetime import timedelta
from admit.verifier import Revocation, TrustedIssuer, Verifier
server = socket.create_server(("127.0.0.1", 0))
issuer = f"http://127.0.0.1:{server.getsockname()[1]}"
verifier = Verifier(TrustedIssuer(issuer, audience="a"))
verifier.ready()
server.accept()  # the follower is waiting for an answer now
print([thread.daemon for thread in threading.enumerate() if thread.name == "admit-follower"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[True]", "")


def test_an_issuer_that_is_not_there_is_503(issuer: StatusIssuer) -> None:
    token = issuer.token()
    with serve(StatusIssuer()) as other:
        issuer.issuer = other.issuer
        token = issuer.token()
    verifier = Verifier(TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=QUICK))
    with pytest.raises(KeysUnavailableError):
        verifier.verify(token)
    verifier.close()
