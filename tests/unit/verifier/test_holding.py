"""Those who write do not undo one another: the race of the stream with the poll."""

import random
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from admit.errors import RevokedError
from admit.fetch import Response
from admit.jose import JWKSet
from admit.tokens import status_list
from admit.verifier import Revocation, TrustedIssuer, freshness
from admit.verifier.follower import Follower
from admit.verifier.holding import Holding
from admit.verifier.snapshot import Held, IssuerSnapshot, KeyView
from tests.fixtures.status_issuer import AUDIENCE, Clock, FakeNet, StatusIssuer


def is_set(held: Held, position: int, n: int = 0) -> bool:
    try:
        freshness.check_bit(held, n, position)
    except RevokedError:
        return True
    return False


class Interrupted(FakeNet):
    """Lets a test do something while an answer is on its way: after it was made, before it is there."""

    def __init__(self, issuer: StatusIssuer) -> None:
        super().__init__(issuer)
        self.meanwhile: Callable[[str], None] = lambda _: None

    def get(self, url: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
        response = super().get(url, headers, **more)
        self.meanwhile(url)
        return response


@pytest.fixture
def net(issuer: StatusIssuer) -> Interrupted:
    return Interrupted(issuer)


@pytest.fixture
def follower(issuer: StatusIssuer, net: Interrupted, clock: Clock) -> Follower:
    made = Follower(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation()),
        net,  # type: ignore[arg-type]  # stands in
        boottime=clock.boottime,
    )
    made.step()
    return made


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
@pytest.mark.parametrize("where", ["/status/head", "/status/0"])
def test_an_end_told_while_a_poll_is_under_way_is_not_lost(
    issuer: StatusIssuer, net: Interrupted, follower: Follower, clock: Clock, where: str
) -> None:
    """The answer on its way was made before the end, so only the stream knows of it."""
    issuer.end(1)
    told = []

    def end_it(url: str) -> None:
        if where in url:
            told.append(url)
            follower.change_held(lambda held: freshness.take_delta(held, [(0, 7)]))

    net.meanwhile = end_it
    clock.pass_time(6)
    follower.step()
    assert told
    held = follower.snapshot.held
    assert (held.fresh_at, is_set(held, 1), is_set(held, 7), is_set(held, 8)) == (
        clock.boot,
        True,
        True,
        False,
    )


def test_an_end_told_while_keys_are_renewed_is_not_lost(
    net: Interrupted, follower: Follower, clock: Clock, issuer: StatusIssuer
) -> None:
    def end_it(url: str) -> None:
        if "/jwks" in url:
            follower.change_held(lambda held: freshness.take_delta(held, [(0, 7)]))

    net.meanwhile = end_it
    issuer.head_nonce = "an-answer-to-another-question"  # so that the poll does not add anything
    clock.pass_time(301)
    follower.step()
    assert is_set(follower.snapshot.held, 7)
    assert follower.snapshot.keys is not None
    assert follower.snapshot.keys.fetched_at == clock.boot


def test_a_key_revoked_while_keys_are_renewed_does_not_come_back(
    net: Interrupted, follower: Follower, clock: Clock, issuer: StatusIssuer
) -> None:
    kid = issuer.key.kid or ""

    def revoke(url: str) -> None:
        if "/jwks" in url:
            told = freshness.take_head(
                follower.snapshot.held,
                freshness.Head(
                    issuer="", nonce="", iat=0, epoch=100, seq=9, lists={}, revoked_kids=frozenset({kid})
                ),
                clock.boot,
            )
            follower.change_held(lambda _: told)

    net.meanwhile = revoke
    clock.pass_time(301)
    follower.step()
    view = follower.snapshot.keys
    assert view is not None
    assert kid in follower.snapshot.held.revoked_kids
    assert isinstance(view.tokens, JWKSet)
    assert all(key.kid != kid for key in view.tokens)


def test_whatever_many_writers_add_at_once_is_all_there(
    rounds: Callable[..., range], rng: random.Random
) -> None:
    for _ in rounds(quick=1, test=3, soak=200):
        bitmaps = {0: status_list.EMPTY, 1: status_list.EMPTY}
        holding = Holding(IssuerSnapshot(None, Held(bitmaps=bitmaps)))
        ends = [(rng.randrange(2), position) for position in rng.sample(range(status_list.ENTRIES), 120)]
        begin = threading.Barrier(5)

        def stream(
            part: list[tuple[int, int]], begin: threading.Barrier = begin, to: Holding = holding
        ) -> None:
            begin.wait()
            for end in part:
                to.change_held(partial(freshness.take_delta, ends=[end]))

        def renew(begin: threading.Barrier = begin, to: Holding = holding) -> None:
            begin.wait()
            for at in range(50):
                to.put_keys(KeyView(JWKSet([]), JWKSet([]), float(at)))

        threads = [threading.Thread(target=stream, args=(ends[n::4],)) for n in range(4)]
        threads.append(threading.Thread(target=renew))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = holding.snapshot.held
        assert all(is_set(held, position, n) for n, position in ends)
        assert sum(int.from_bytes(bits, "little").bit_count() for bits in held.bitmaps.values()) == len(ends)
        assert holding.snapshot.keys is not None
        assert holding.snapshot.keys.fetched_at == 49.0
