"""Server-sent events, read: the standard's rules, and bounds that no server can make us pass."""

import contextlib
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.tokens import status_list
from admit.verifier import stream
from admit.verifier.stream import Backoff, Budget, Ends, Event, EventParser, Lists, StreamError


def parse(*pieces: bytes) -> list[Event]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def low(least: float, _: float) -> float:
    return least


def high(_: float, most: float) -> float:
    return most


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_its_name_its_data_and_its_id(newline: bytes) -> None:
    text = b"id: 5.7\nevent: end\ndata: [[0, 1]]\n\n: words\n\ndata: more\n\n".replace(b"\n", newline)
    assert parse(text) == [Event("end", "[[0, 1]]", "5.7"), Event("message", "more", "5.7")]


def test_what_the_standard_says_of_odd_lines_is_done() -> None:
    assert parse("\ufeffdata:one\ndata:  two\ndata\nwhat: ever\n\n".encode()) == [
        Event("message", "one\n two\n", "")
    ]
    assert parse(b"event: end\n\ndata: x\n\n") == [Event("message", "x", "")], "no data, no event"
    assert parse(b"id: 1.1\n\nid: 2\x002\ndata: x\n\n") == [Event("message", "x", "1.1")]
    assert parse(b"data: half") == []
    assert parse(b"data: half\n") == []
    assert parse(b"data: \xff\xfe\n\n") == [Event("message", "\ufffd\ufffd", "")]


def test_the_servers_retry_is_noted_in_seconds() -> None:
    parser = EventParser()
    assert list(parser.feed(b"retry: 1500\nretry: -1\nretry: soon\nretry: 9999999999\n\n")) == []
    assert parser.retry == 1.5


LINES = st.sampled_from(
    ["data: [[0, 1]]", "data:x", "event: end", "event: lists", "id: 1.2", ": c", "", "", "retry: 5", "data"]
)


@given(
    st.lists(LINES, max_size=20),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 40), max_size=10),
)
def test_events_are_the_same_however_the_octets_are_cut(
    lines: list[str], newline: str, cuts: list[int]
) -> None:
    text = newline.join([*lines, "", ""]).encode()
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert parse(*pieces) == parse(text) == parse(*(text[at : at + 1] for at in range(len(text))))


@given(st.binary(max_size=300))
def test_garbage_is_read_or_refused_by_our_own_error(octets: bytes) -> None:
    with contextlib.suppress(StreamError):
        for event in parse(octets):
            stream.read(event)


@pytest.mark.threat("INF-ssrf", off="admit.verifier.stream:check_line")
def test_a_line_without_end_is_not_kept() -> None:
    with pytest.raises(StreamError):
        parse(*[b"x" * 1_000] * 100)


@pytest.mark.threat("INF-ssrf", off="admit.verifier.stream:check_event")
def test_an_event_without_end_is_not_kept() -> None:
    with pytest.raises(StreamError):
        parse(*[b"data: " + b"x" * 1_000 + b"\n"] * 200)


def test_a_line_and_an_event_within_their_bounds_are_read() -> None:
    ends = [[status_list.MAX_LIST, status_list.ENTRIES - 1]] * stream.MAX_ENDS
    data = repr(ends)
    assert len(data) < stream.MAX_LINE
    read = stream.read(parse(f"event: end\ndata: {data}\n\n".encode())[0])
    assert isinstance(read, Ends)
    assert len(read.ends) == stream.MAX_ENDS


def test_ends_and_hints_are_told_apart() -> None:
    assert stream.read(Event("end", "[[0, 7],[3,1048575]]", "5.9")) == Ends(((0, 7), (3, 1048575)), (5, 9))
    assert stream.read(Event("lists", "[]", "")) == Lists(None)
    assert stream.read(Event("hello", "?", "x")) is None, "what a later issuer may say"


NO_ENDS = (
    *(
        "",
        "{}",
        "[[0]]",
        "[[0, 1, 2]]",
        "[[0, -1]]",
        "[[-1, 0]]",
        "[[0, 1048576]]",
        '[["0", 1]]',
        "[[0, 1.5]]",
    ),
    *(
        "[[true, 1]]",
        "[[0, 1]",
        "[[0, 99999999999999999999]]",
        "[[8796093022208, 0]]",
        repr([[0, 0]] * 1_001),
    ),
)


@pytest.mark.parametrize("data", NO_ENDS)
def test_ends_that_are_none_are_refused(data: str) -> None:
    with pytest.raises(StreamError):
        stream.read(Event("end", data, "1.1"))


@pytest.mark.parametrize("text", ["x", "1", "1.", ".1", "1.1.1", "-1.1", "1.99999999999999999999", "٣.1"])
def test_an_id_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(StreamError):
        stream.read(Event("lists", "[]", text))


@pytest.mark.threat("INF-ssrf", off="admit.verifier.stream:check_budget")
def test_a_flood_is_refused_and_a_stream_is_not() -> None:
    budget = Budget(rate=10.0, burst=100.0, at=0.0)
    for second in range(100):
        budget.take(10, float(second))
    budget.take(100, 200.0)
    with pytest.raises(StreamError) as flood:
        budget.take(20, 201.0)
    assert flood.value.long


def spend(
    backoff: Backoff, number: int, jitter: Callable[[float, float], float], lived: float = 0.0
) -> Sequence[float]:
    return [backoff.failed(lived, StreamError("fetch_failed", ""), jitter) for _ in range(number)]


def test_pauses_grow_from_a_fifth_of_a_second_to_ten() -> None:
    assert spend(Backoff(), 8, high) == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert min(spend(Backoff(), 1_000, low)) >= 0.1


def test_a_stream_that_lived_begins_anew_and_one_that_flaps_does_not() -> None:
    flapping, lived = Backoff(), Backoff()
    spend(flapping, 6, high)
    spend(lived, 6, high)
    assert flapping.ended(0.5, 1.0, high) == 10.0
    assert lived.ended(60.0, 1.0, high) == 1.0
    assert spend(lived, 1, high) == [0.2]
    assert spend(flapping, 1, high, lived=60.0) == [0.2]


def test_a_pause_that_the_server_names_is_kept_within_reason() -> None:
    busy = StreamError("refused", "", retry_after=5.0)
    assert Backoff().failed(0.0, busy, low) == 5.0
    assert Backoff().failed(0.0, StreamError("refused", "", retry_after=99_999.0), low) == 120.0
    assert Backoff().failed(0.0, StreamError("refused", "", retry_after=0.0), low) == 0.2
    assert Backoff().failed(0.0, StreamError("not_a_stream", "", long=True), low) == 60.0
    assert Backoff().ended(60.0, 99_999.0, high) == 10.0


def test_verifiers_that_lost_a_stream_together_do_not_come_back_together() -> None:
    chance = random.Random(1)
    pauses = [Backoff().ended(600.0, 1.0, chance.uniform) for _ in range(50)]
    assert max(pauses) - min(pauses) > 0.8
