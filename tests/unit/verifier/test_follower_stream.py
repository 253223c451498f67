"""The stream over real sockets: ends are known at once, and whatever becomes of it, the poll goes on."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import RevokedError, StaleRevocationError
from admit.tokens import status_list
from admit.verifier import Revocation, TrustedIssuer, agenda, freshness
from admit.verifier.boottime import boottime
from admit.verifier.follower import Follower, has_slept
from admit.verifier.follower_stream import StreamState
from tests.fixtures.event_hub import EventHub
from tests.fixtures.status_issuer import AUDIENCE, StatusIssuer, serve
from tests.plugins.patience import slack
from tests.plugins.patience import wait_until as until

SLOW = Revocation(max_staleness=timedelta(minutes=10), poll=timedelta(minutes=2))
"""So slow that whatever is known within a test came by the stream."""


@pytest.fixture(autouse=True)
def no_long_pauses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests ask twice, and need not wait half a second between."""
    if "twice_a_second" not in request.node.name:
        monkeypatch.setattr(agenda, "HINT_SPACING", 0.02)


@pytest.fixture
def hub() -> EventHub:
    return EventHub()


@pytest.fixture
def issuer(hub: EventHub) -> Iterator[StatusIssuer]:
    with serve(StatusIssuer(events=hub)) as running:
        yield running


Begin = Callable[..., Follower]


@pytest.fixture
def begin(issuer: StatusIssuer) -> Iterator[Begin]:
    """Follow, and wait for the first answers and the stream."""
    made: list[Follower] = []

    def start(
        revocation: Revocation = SLOW, *, state: StreamState = StreamState.OPEN, **options: Any
    ) -> Follower:
        follower = Follower(
            TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=revocation),
            boottime=boottime,
            **options,
        )
        made.append(follower)
        follower.start()
        until(lambda: follower.snapshot.held.fresh_at is not None)
        until(
            lambda: (
                follower.stream_state is state and (state is not StreamState.WAITING or follower.stream_error)
            )
        )
        return follower

    yield start
    for one in made:
        one.close()


def is_ended(follower: Follower, position: int, n: int = 0) -> bool:
    try:
        freshness.check_bit(follower.snapshot.held, n, position)
    except RevokedError:
        return True
    return False


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
def test_an_end_is_known_at_once_and_nobody_asked_for_it(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    follower = begin()
    asked = list(issuer.hits)
    fresh_at = follower.snapshot.held.fresh_at
    issuer.end(7)
    until(lambda: is_ended(follower, 7))  # far sooner than it would ask
    assert not is_ended(follower, 8)
    assert issuer.hits == asked
    held = follower.snapshot.held
    assert (held.fresh_at, held.seq) == (fresh_at, 0), "a stream proves nothing"
    assert (follower.counters.stream_events, follower.counters.stream_ends) == (1, 1)


def test_the_stream_begins_where_the_poll_proved(issuer: StatusIssuer, hub: EventHub, begin: Begin) -> None:
    issuer.seq = 41
    begin()
    asked = hub.asked[0]
    assert asked["last-event-id"] == "100.41"
    assert asked["accept"] == "text/event-stream"


def test_what_was_missed_is_told_after_a_cut(issuer: StatusIssuer, hub: EventHub, begin: Begin) -> None:
    follower = begin()
    issuer.end(1)
    until(lambda: is_ended(follower, 1))
    hub.cut()
    issuer.end(2)
    until(lambda: is_ended(follower, 2))
    assert hub.asked[-1]["last-event-id"] == "100.1"
    assert sum(follower.counters.stream_failed.values()) == 1
    until(lambda: follower.stream_state is StreamState.OPEN)
    assert follower.stream_error is None


def test_an_issuer_that_is_back_is_asked_at_once_and_not_only_at_the_next_poll(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    """After a long outage nothing is fresh, and the stream tells of ends alone."""
    follower = begin()
    follower.change_held(freshness.distrust)
    hub.cut()
    until(lambda: follower.snapshot.held.fresh_at is not None)
    assert sum(follower.counters.stream_failed.values()) == 1


def test_a_stream_that_ends_in_order_is_opened_again(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    follower = begin()
    hub.end()
    until(lambda: len(hub.asked) == 2 and hub.listening == 1)
    issuer.end(3)
    until(lambda: is_ended(follower, 3))
    assert follower.counters.stream_failed == {}


def test_a_hint_asks_for_the_head_at_once(issuer: StatusIssuer, hub: EventHub, begin: Begin) -> None:
    follower = begin()
    issuer.end(5, told=False)
    hub.hint((100, 1))
    until(lambda: is_ended(follower, 5))
    assert follower.counters.polls == 2
    assert follower.snapshot.held.seq == 1


def test_many_hints_ask_at_most_twice_a_second(issuer: StatusIssuer, hub: EventHub, begin: Begin) -> None:
    follower = begin()
    started = time.monotonic()

    def four_polls() -> bool:
        hub.hint((100, 0))
        return follower.counters.polls >= 4

    until(four_polls)
    assert follower.counters.stream_events > 20
    assert time.monotonic() - started > 0.8


def test_an_end_in_a_list_that_is_not_held_asks_for_the_head(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    follower = begin()
    issuer.lists[1] = status_list.EMPTY
    issuer.end(9, n=1)
    until(lambda: is_ended(follower, 9, n=1))


def test_a_stream_that_told_everything_leaves_nothing_to_fetch(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    follower = begin()
    issuer.hits.clear()
    for position in range(20):
        issuer.end(position)
    until(lambda: is_ended(follower, 19))
    hub.hint((100, 20))
    until(lambda: follower.snapshot.held.seq == 20)
    until(lambda: follower.counters.polls_proved == 2)
    assert issuer.hits == ["/status/head"]
    assert follower.counters.lists_spared == 1


def test_silence_is_a_connection_that_only_half_exists(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    follower = begin(silence=timedelta(milliseconds=300))
    until(lambda: len(hub.asked) >= 2)
    assert follower.counters.stream_failed["fetch_timeout"] >= 1
    issuer.end(4)
    until(lambda: is_ended(follower, 4))


@pytest.mark.parametrize("proxy", [True, False], ids=["keeps all back", "is mute"])
def test_a_stream_that_nothing_comes_through_is_not_called_open(
    hub: EventHub, begin: Begin, proxy: bool
) -> None:
    hub.opening = b""
    hub.silent = proxy
    follower = begin(state=StreamState.WAITING, silence=timedelta(milliseconds=200))
    assert follower.counters.stream_opened >= 1
    assert follower.snapshot.held.fresh_at is not None


@pytest.mark.parametrize(
    "words",
    [
        b"id: 100.1\nevent: end\ndata: nonsense\n\n",
        b"id: 100.1\nevent: end\ndata: [[0, 99999999]]\n\n",
        b"id: x\nevent: end\ndata: [[0, 1]]\n\n",
        b"data: " + b"x" * 70_000 + b"\n\n",
        b"\x00\xff" * 40_000,
    ],
    ids=["data", "position", "id", "event", "octets"],
)
def test_garbage_ends_the_stream_and_asks_for_the_head(
    issuer: StatusIssuer, hub: EventHub, begin: Begin, words: bytes
) -> None:
    follower = begin()
    held = follower.snapshot.held
    issuer.end(6, told=False)
    hub.send(words)
    until(lambda: is_ended(follower, 6))
    assert follower.counters.stream_failed == {"malformed": 1}
    assert follower.snapshot.held.bitmaps.keys() == held.bitmaps.keys()


@pytest.mark.threat("INF-ssrf", off="admit.verifier.stream:check_budget")
def test_a_flood_ends_the_stream(hub: EventHub, begin: Begin) -> None:
    follower = begin()
    hub.send(b": nothing but words\n" * 200_000)
    # By its count: on a busy machine it may be open again already.
    until(lambda: follower.counters.stream_failed.get("flood", 0) >= 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content_type": "text/html"}, "not_a_stream"),
        ({"status": 404}, "refused"),
        ({"status": 503, "refusal": {"retry-after": "7"}}, "refused"),
        ({"status": 302, "refusal": {"location": "http://127.0.0.1:9/"}}, "fetch_failed"),
    ],
)
def test_what_is_no_stream_is_left_alone_for_a_while_and_the_poll_goes_on(
    issuer: StatusIssuer, hub: EventHub, begin: Begin, change: dict[str, Any], reason: str
) -> None:
    for name, value in change.items():
        setattr(hub, name, value)
    quick = Revocation(max_staleness=timedelta(seconds=3), poll=timedelta(milliseconds=100))
    follower = begin(quick, state=StreamState.WAITING)
    assert follower.stream_error == reason
    issuer.end(6)
    until(lambda: is_ended(follower, 6))
    if reason != "fetch_failed":
        assert len(hub.asked) == 1


def test_without_an_endpoint_there_is_no_stream(hub: EventHub) -> None:
    before = set(threading.enumerate())
    with serve(StatusIssuer()) as issuer:
        follower = Follower(
            TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=SLOW), boottime=boottime
        )
        follower.start()
        until(lambda: follower.snapshot.held.fresh_at is not None)
        assert follower.stream_state is StreamState.OFF
        assert not any(one.name == "admit-stream" for one in set(threading.enumerate()) - before)
        follower.close()


def test_a_stream_can_be_given_up_by_name(issuer: StatusIssuer, hub: EventHub, begin: Begin) -> None:
    polled = Revocation(max_staleness=timedelta(seconds=3), poll=timedelta(milliseconds=100), stream=False)
    follower = begin(polled, state=StreamState.OFF)
    issuer.end(6)
    until(lambda: is_ended(follower, 6))
    assert hub.asked == []


def test_an_endpoint_at_another_origin_is_not_asked(issuer: StatusIssuer, begin: Begin) -> None:
    with serve(StatusIssuer(events=EventHub())) as other:
        members = issuer.metadata()
        issuer.metadata = lambda: {**members, "admit_status_events_endpoint": f"{other.issuer}/status/events"}  # type: ignore[method-assign]  # the lie
        begin(state=StreamState.OFF)
        assert other.events is not None
        assert other.events.asked == []


def test_closing_ends_both_threads_at_once(hub: EventHub, begin: Begin) -> None:
    before = set(threading.enumerate())
    follower = begin()
    started = time.monotonic()
    follower.close()
    assert time.monotonic() - started < slack()
    left = set(threading.enumerate()) - before
    assert not any(thread.name in ("admit-stream", "admit-follower") for thread in left)
    until(lambda: hub.listening == 0)


def test_a_dead_stream_costs_speed_and_nothing_else(
    issuer: StatusIssuer, hub: EventHub, begin: Begin
) -> None:
    """The stream says that all is well, but the head cannot be had: past the bound nothing is good."""
    terms = Revocation(max_staleness=timedelta(seconds=1), poll=timedelta(milliseconds=100))
    follower = begin(terms)
    issuer.head_nonce = "an-answer-to-another-question"

    def is_stale() -> bool:
        hub.tell((100, 1), [(0, 3)])
        try:
            freshness.check_current(follower.snapshot.held, 0, None, time.time(), boottime(), terms)
        except StaleRevocationError:
            return True
        return False

    until(is_stale)
    assert follower.stream_state is StreamState.OPEN


def test_a_machine_that_slept_is_told_by_its_two_clocks() -> None:
    assert has_slept(60.0, 1.0)
    assert not has_slept(60.0, 60.0)
    assert not has_slept(0.0, 60.0)


def test_a_stream_can_be_begun_anew(hub: EventHub, begin: Begin) -> None:
    follower = begin()
    assert follower._listener is not None
    follower._listener.reconnect()
    until(lambda: len(hub.asked) == 2 and hub.listening == 1)
