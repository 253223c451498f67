"""Telling streams of ends: what is told, kept, resumed, given up."""

import asyncio
import contextlib
import json

import pytest

from admit.errors import TooManyStreamsError
from admit.issuer.revocation import Stream, Subscription, events
from admit.issuer.revocation.events import Place
from admit.issuer.revocation.stream import TOGETHER, source_of, together
from tests.unit.issuer.revocation.event_reader import Event, read

pytestmark = pytest.mark.anyio
EPOCH = 7


@pytest.fixture
async def stream() -> Stream:
    made = Stream(most=100)
    made.advance(Place(EPOCH, 10), None)
    return made


async def given(subscription: Subscription) -> list[Event]:
    """What waits, or comes within the time that is told together."""
    if subscription.idle:
        await asyncio.sleep(TOGETHER * 2)
    if subscription.idle:
        return []
    piece = await subscription.next()
    assert piece is not None
    return read(piece)


def bits(event: Event) -> list[list[int]]:
    found: list[list[int]] = json.loads(event.data)
    return found


def since(stream: Stream, seq: int, epoch: int = EPOCH) -> list[Event] | None:
    missed = stream.since(Place(epoch, seq))
    return read(missed) if missed is not None else None


async def test_an_end_after_a_pause_is_told_at_once(stream: Stream) -> None:
    subscription = stream.subscribe()
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    assert not subscription.idle
    (event,) = await given(subscription)
    assert (event.kind, event.id, bits(event)) == ("end", "7.11", [[0, 5]])


async def test_ends_that_come_together_are_told_together_and_once(stream: Stream) -> None:
    subscription = stream.subscribe()
    for seq in range(11, 31):
        stream.advance(Place(EPOCH, seq), [(0, seq)])
    (first,) = await given(subscription)
    (rest,) = await given(subscription)
    assert (first.id, bits(first)) == ("7.11", [[0, 11]])
    assert (rest.id, bits(rest)) == ("7.30", [[0, seq] for seq in range(12, 31)])
    assert await given(subscription) == []


async def test_all_subscribers_are_given_the_same_octets(stream: Stream) -> None:
    subscriptions = [stream.subscribe() for _ in range(3)]
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    pieces = [await subscription.next() for subscription in subscriptions]
    assert pieces[0] is pieces[1] is pieces[2]


@pytest.mark.parametrize(
    ("streams", "seconds"), [(0, 0.05), (1, 0.05), (25, 0.05), (50, 0.1), (100, 0.2), (5_000, 0.2)]
)
async def test_more_streams_are_told_less_often_but_often_enough(streams: int, seconds: float) -> None:
    assert together(streams) == pytest.approx(seconds)


@pytest.mark.parametrize("number", [events.MAX_CHANGES, events.MAX_CHANGES + 1])
async def test_more_bits_than_an_event_may_name_are_not_named(stream: Stream, number: int) -> None:
    subscription = stream.subscribe()
    stream.advance(Place(EPOCH, 11), [(0, position) for position in range(number)])
    (event,) = await given(subscription)
    assert (event.kind, len(bits(event))) == (("end", number) if number <= 1000 else ("lists", 0))


async def test_more_bits_in_several_steps_are_not_named_either(stream: Stream) -> None:
    subscription = stream.subscribe()
    stream.advance(Place(EPOCH, 11), [(0, 1)])
    await given(subscription)
    for seq in range(12, 15):
        stream.advance(Place(EPOCH, seq), [(0, position) for position in range(400)])
    (event,) = await given(subscription)
    assert (event.kind, event.id) == ("lists", "7.14")


@pytest.mark.parametrize("place", [Place(EPOCH, 11), Place(EPOCH + 1, 11), Place(EPOCH, 9)])
async def test_what_cannot_be_told_in_bits_is_told_as_lists(stream: Stream, place: Place) -> None:
    subscription = stream.subscribe()
    stream.advance(place, None)
    (event,) = await given(subscription)
    assert (event.kind, event.id) == ("lists", f"{place.epoch}.{place.seq}")


@pytest.mark.parametrize("place", [Place(EPOCH + 1, 11), Place(EPOCH, 9)])
async def test_bits_of_another_epoch_or_of_a_database_that_went_back_are_not_named(
    stream: Stream, place: Place
) -> None:
    subscription = stream.subscribe()
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    await given(subscription)
    stream.advance(place, [(0, 6)])
    (event,) = await given(subscription)
    assert (event.kind, event.id) == ("lists", f"{place.epoch}.{place.seq}")
    assert [event.kind for event in since(stream, 11) or []] in ([], ["lists"])


async def test_a_step_that_set_no_bit_is_not_told_but_counts(stream: Stream) -> None:
    subscription = stream.subscribe()
    stream.advance(Place(EPOCH, 11), [])
    assert await given(subscription) == []
    stream.advance(Place(EPOCH, 12), [(0, 5)])
    assert [event.id for event in await given(subscription)] == ["7.12"]
    assert since(stream, 11) == since(stream, 10)


async def test_a_stream_resumes_with_what_it_missed(stream: Stream) -> None:
    for seq in range(11, 15):
        stream.advance(Place(EPOCH, seq), [(0, seq)])
        await asyncio.sleep(TOGETHER * 1.5)
    missed = since(stream, 12)
    assert missed is not None
    assert [bits(event) for event in missed] == [[[0, 13]], [[0, 14]]]
    assert since(stream, 14) == []
    assert len(since(stream, 10) or []) == 4


async def test_a_resume_inside_an_event_gets_all_of_it(stream: Stream) -> None:
    for seq in range(11, 15):
        stream.advance(Place(EPOCH, seq), [(0, seq)])
    await asyncio.sleep(TOGETHER * 1.5)
    missed = since(stream, 13)
    assert missed is not None
    assert [bits(event) for event in missed] == [[[0, 12], [0, 13], [0, 14]]]


@pytest.mark.parametrize(("epoch", "seq"), [(EPOCH, 11), (EPOCH - 1, 10), (EPOCH + 1, 10), (0, 0)])
async def test_a_resume_from_where_nobody_was_is_told_lists(stream: Stream, epoch: int, seq: int) -> None:
    (event,) = since(stream, seq, epoch) or ()
    assert (event.kind, event.id) == ("lists", "7.10")


async def test_a_stream_without_a_place_begins_with_lists(stream: Stream) -> None:
    missed = stream.since(None)
    assert missed is not None
    (event,) = read(missed)
    assert (event.kind, event.id) == ("lists", "7.10")
    nothing_known = Stream(most=1).since(None)
    assert nothing_known is not None
    assert [event.kind for event in read(nothing_known)] == ["lists"]


async def test_a_resume_from_before_what_is_kept_is_for_the_log(stream: Stream) -> None:
    assert since(stream, 9) is None
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    assert since(stream, 9) is None
    assert since(stream, 10) is not None


async def test_only_so_much_is_kept(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admit.issuer.revocation.stream.together", lambda streams: 0.0)
    for seq in range(11, 11 + 3_000):
        stream.advance(Place(EPOCH, seq), [(0, 1)])
    assert len(stream._kept) == 2_048
    assert since(stream, 10) is None
    assert since(stream, 3_000) is not None
    for seq in range(3_011, 3_211):
        stream.advance(Place(EPOCH, seq), [(0, 1_048_575)] * 1_000)
    assert sum(len(kept.event) for kept in stream._kept) == stream._kept_octets <= 1 << 20
    assert since(stream, 3_010) is None
    assert since(stream, 3_205) is not None


@pytest.mark.threat("INF-size", off="admit.issuer.revocation.stream:may_wait")
async def test_a_slow_subscriber_is_told_lists_for_what_it_missed_and_holds_little(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admit.issuer.revocation.stream.together", lambda streams: 0.0)
    slow, quick = stream.subscribe(), stream.subscribe()
    for seq in range(11, 111):
        stream.advance(Place(EPOCH, seq), [(0, 1_048_575)] * 1_000)
        assert [event.kind for event in await given(quick)] == ["end"]
    assert slow._octets <= 1 << 16
    told = await given(slow)
    assert told[0].kind == "lists"
    stream.advance(Place(EPOCH, 111), [(0, 1)])
    assert [(event.kind, event.id) for event in await given(slow)] == [("end", "7.111")]


@pytest.mark.threat("INF-size", off="admit.issuer.revocation.stream:has_room")
async def test_no_more_streams_are_opened_than_may_be_and_one_that_is_closed_makes_room(
    stream: Stream,
) -> None:
    small = Stream(most=2)
    first, _ = small.subscribe(), small.subscribe()
    with pytest.raises(TooManyStreamsError) as caught:
        small.subscribe()
    assert (caught.value.status, caught.value.retry_after) == (503, 5)
    first.close()
    first.close()
    assert small.open_streams == 1
    small.subscribe()
    with pytest.raises(TooManyStreamsError):
        Stream(most=0).subscribe()


def opened(stream: Stream, address: str) -> int:
    """How many streams an address gets when it opens all it can."""
    count = 0
    with contextlib.suppress(TooManyStreamsError):
        while True:
            stream.subscribe(address)
            count += 1
    return count


@pytest.mark.threat("INF-size", off="admit.issuer.revocation.stream:leaves_room")
async def test_one_address_leaves_half_of_all_streams_to_others_and_takes_no_verifiers_stream() -> None:
    stream = Stream(most=20, each=4)
    first = [stream.subscribe("192.0.2.1") for _ in range(3)]
    assert opened(stream, "198.51.100.7") == 7, "half of them are taken"
    assert [opened(stream, f"192.0.2.{number}") for number in (1, 2, 3)] == [1, 4, 4]
    assert stream.open_streams == 19
    for subscription in first:
        subscription.close()
        subscription.close()
    assert opened(stream, "192.0.2.1") == 3
    assert opened(stream, "192.0.2.4") == 1, "there are no more than all"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("/run/admit.sock", None, False),
    ],
)
def test_what_somebody_is_given_as_one_is_one_source(one: str, other: str | None, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same


async def test_a_revoked_key_is_told_again_to_who_resumes_at_the_place_where_it_was_revoked(
    stream: Stream,
) -> None:
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    assert since(stream, 11) == []
    stream.advance(Place(EPOCH, 11), None)
    await asyncio.sleep(TOGETHER * 2)
    assert [event.kind for event in since(stream, 11) or ()] == ["lists"]
    assert [event.kind for event in since(stream, 10) or ()] == ["end", "lists"]


async def test_at_the_end_every_stream_is_over_at_once_and_none_is_opened(stream: Stream) -> None:
    waiting, full = stream.subscribe(), stream.subscribe()
    waiter = asyncio.ensure_future(waiting.next())
    await asyncio.sleep(0)
    full.offer(b"x", b"y")
    stream.end()
    assert await waiter is None
    assert await full.next() == b"x"
    assert await full.next() is None
    with pytest.raises(TooManyStreamsError):
        stream.subscribe()
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    stream.start()
    again = stream.subscribe()
    stream.advance(Place(EPOCH, 12), [(0, 6)])
    (event,) = await given(again)
    assert bits(event) == [[0, 5], [0, 6]]


async def test_a_reader_that_is_cancelled_loses_nothing_for_the_next(stream: Stream) -> None:
    subscription = stream.subscribe()
    reader = asyncio.ensure_future(subscription.next())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.sleep(0)
    stream.advance(Place(EPOCH, 11), [(0, 5)])
    assert len(await given(subscription)) == 1
