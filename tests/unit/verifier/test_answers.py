"""Whatever an issuer answers, what is held stays, and a request sees nothing but 503 past the bound. And sizes."""

import gc
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from admit.errors import FetchError, RevokedError, StaleRevocationError
from admit.fetch import Response
from admit.tokens import status_list
from admit.verifier import Revocation, TrustedIssuer, Verifier, metadata
from admit.verifier.follower import Follower
from tests.fixtures.status_issuer import AUDIENCE, Clock, FakeNet, StatusIssuer


class Lying(FakeNet):
    """Answers from `lie` where that has something to say."""

    def __init__(self, issuer: StatusIssuer) -> None:
        super().__init__(issuer)
        self.lie: Callable[[str, Response], Response | None] = lambda url, answer: None

    def get(self, url: str, headers: Any = None, **more: Any) -> Response:
        answer = super().get(url, headers, **more)
        return self.lie(url, answer) or answer


@pytest.fixture
def net(issuer: StatusIssuer) -> Lying:
    return Lying(issuer)


@pytest.fixture
def verifier(issuer: StatusIssuer, net: Lying, clock: Clock) -> Verifier:
    return Verifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation()),
        fetcher=net,  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
        background=False,
    )


def of(path: str, body: bytes | None = None, status: int = 200) -> Callable[[str, Response], Response | None]:
    def lie(url: str, answer: Response) -> Response | None:
        if path not in url:
            return None
        return Response(status, {}, answer.body[: len(answer.body) // 2] if body is None else body)

    return lie


def ending(issuer: StatusIssuer) -> Callable[[str, Response], Response | None]:
    """Something ends each time after a head was read, so that no list is ever at the version that it names."""

    def more(url: str, answer: Response) -> None:
        if "/status/head" in url:
            issuer.end(1_000 + issuer.seq)

    return more


def test_ends_that_never_stop_make_nothing_stale(
    verifier: Verifier, issuer: StatusIssuer, net: Lying, clock: Clock
) -> None:
    """Whoever signs out again and again must not be able to have everybody refused."""
    verifier.verify(issuer.token(8))
    net.lie = ending(issuer)
    for _ in range(30):
        clock.pass_time(5)
        verifier.verify(issuer.token(8))
    issuer.end(8)
    clock.pass_time(31)
    with pytest.raises(RevokedError):
        verifier.verify(issuer.token(8))


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_later")
@pytest.mark.parametrize("place", [None, (100, 1), (100, 2), (99, 9)])
def test_a_list_from_before_the_head_makes_nothing_fresh(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock, place: tuple[int, int] | None
) -> None:
    """A recording of one: it was signed by the issuer, and lacks what ended since."""
    verifier.verify(issuer.token(8))
    issuer.end(5)
    issuer.served[0] = issuer.lists[0]
    if place is not None:
        issuer.served_places[0] = place
    issuer.end(8)
    clock.pass_time(31)
    with pytest.raises(StaleRevocationError):
        verifier.verify(issuer.token(8))


LIES = {
    "garbage head": of("/status/head", b"\xff\x00garbage"),
    "empty head": of("/status/head", b""),
    "huge head": of("/status/head", b"x" * 600_000),
    "cut head": of("/status/head"),
    "head as a page": of("/status/head", b"<html><body>Maintenance</body></html>"),
    "head 500": of("/status/head", b"", 500),
    "head 404": of("/status/head", b"", 404),
    "garbage list": of("/status/0", b"garbage"),
    "empty list": of("/status/0", b""),
    "huge list": of("/status/0", b"x" * 600_000),
    "cut list": of("/status/0"),
    "list 304 for nothing": of("/status/0", b"", 304),
    "list 500": of("/status/0", b"", 500),
}


@pytest.mark.threat("O-4", off=["admit.verifier.freshness:check_current"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_worthless_answer_changes_nothing_and_proves_nothing(
    verifier: Verifier, issuer: StatusIssuer, net: Lying, clock: Clock, lie: Any
) -> None:
    issuer.end(7)
    token, ended = issuer.token(8, exp=clock.wall + 9_000), issuer.token(7, exp=clock.wall + 9_000)
    verifier.verify(token)
    held = verifier.core.source(issuer.issuer).snapshot.held
    net.lie = lie
    issuer.end(9)
    for _ in range(6):
        clock.pass_time(5)
        verifier.verify(token)
        with pytest.raises(RevokedError):
            verifier.verify(ended)
    clock.pass_time(5)
    with pytest.raises(StaleRevocationError):
        verifier.verify(token)
    with pytest.raises(RevokedError):
        verifier.verify(ended)
    now = verifier.core.source(issuer.issuer).snapshot.held
    assert (now.bitmaps, now.versions, now.fresh_at) == (held.bitmaps, held.versions, held.fresh_at)
    net.lie = lambda url, answer: None
    clock.pass_time(5)
    verifier.verify(token)
    with pytest.raises(RevokedError):
        verifier.verify(issuer.token(9))


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:add_bits")
def test_an_older_list_clears_nothing(verifier: Verifier, issuer: StatusIssuer, clock: Clock) -> None:
    old = issuer.lists[0]
    issuer.end(7)
    token = issuer.token(8, exp=clock.wall + 900)
    verifier.verify(token)
    issuer.served[0] = old
    issuer.end(9)
    clock.pass_time(5)
    verifier.verify(token)
    with pytest.raises(RevokedError):
        verifier.verify(issuer.token(7))


def test_a_million_ends_at_once_are_one_list(verifier: Verifier, issuer: StatusIssuer, clock: Clock) -> None:
    token = issuer.token(8)
    verifier.verify(token)
    issuer.lists[0] = b"\xff" * status_list.OCTETS
    issuer.seq += 1
    clock.pass_time(5)
    with pytest.raises(RevokedError):
        verifier.verify(token)
    assert issuer.hits.count("/status/0") == 2


def test_metadata_may_name_a_stream_at_its_own_origin(issuer: StatusIssuer) -> None:
    body = b'{"issuer":"https://a.example","jwks_uri":"https://a.example/jwks","admit_status_events_endpoint":"%s"}'
    assert metadata.read(body % b"https://a.example/e", "https://a.example").events == "https://a.example/e"


@pytest.mark.threat("INF-ssrf", off="admit.verifier.metadata:check_origin")
@pytest.mark.parametrize("url", [b"https://b.example/e", b"http://a.example/e", b"https://a.example:1/e"])
def test_a_stream_at_another_origin_is_none(url: bytes) -> None:
    body = b'{"issuer":"https://a.example","jwks_uri":"https://a.example/jwks","admit_status_events_endpoint":"%s"}'
    assert metadata.read(body % url, "https://a.example").events is None


def test_a_stream_that_is_no_url_costs_nothing_else() -> None:
    for value in (b"7", b'"no url"', b"{}", b"null"):
        body = b'{"issuer":"https://a.example","jwks_uri":"https://a.example/jwks",'
        found = metadata.read(body + b'"admit_status_events_endpoint":' + value + b"}", "https://a.example")
        assert found.events is None
        assert found.jwks == "https://a.example/jwks"


@pytest.mark.threat("INF-ssrf", off="admit.verifier.metadata:check_origin")
def test_a_head_at_another_origin_is_an_error() -> None:
    body = b'{"issuer":"https://a.example","jwks_uri":"https://a.example/jwks","admit_status_head_endpoint":"https://b/"}'
    with pytest.raises(FetchError):
        metadata.read(body, "https://a.example")


def seven_lists(rng: random.Random, share: float) -> dict[int, bytes]:
    """Each with this share of its bits set."""
    count = int(status_list.ENTRIES * share)
    return {
        n: status_list.with_bits(status_list.EMPTY, rng.sample(range(status_list.ENTRIES), count))
        for n in range(7)
    }


def test_seven_lists_take_no_more_than_a_megabyte(
    issuer: StatusIssuer, net: Lying, clock: Clock, rng: random.Random
) -> None:
    issuer.lists = {n: rng.randbytes(status_list.OCTETS) for n in range(7)}
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation(stream=False))
    follower = Follower(trust, net, boottime=clock.boottime)  # type: ignore[arg-type]  # stands in
    gc.collect()
    tracemalloc.start()
    try:
        follower.step()
        for _ in range(3):  # each list changes, and so is replaced
            for n in range(7):
                issuer.end(rng.randrange(status_list.ENTRIES), n)
            clock.pass_time(6)
            follower.step()
        issuer.lists = {}
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(follower.snapshot.held.bitmaps) == 7
    assert taken <= 1_048_576


def test_a_changed_list_is_small_and_so_is_a_head_of_seven(issuer: StatusIssuer, rng: random.Random) -> None:
    issuer.lists = seven_lists(rng, 0.01)
    sizes = [len(issuer.list_answer(n, {}).body) for n in range(7)]
    head = len(issuer.head("n" * 22))
    print(f"lists of 1 % set: {max(sizes)} octets; a head of seven: {head}")
    assert max(sizes) <= 32_768
    assert head <= 800
