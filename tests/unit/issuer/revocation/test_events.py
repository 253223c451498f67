"""Events as octets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.issuer.revocation import events
from admit.issuer.revocation.events import Place
from admit.tokens import status_list
from tests.unit.issuer.revocation.event_reader import read

AT = Place(1_795_000_000, 12)


def test_an_end_names_each_bit_by_list_and_position() -> None:
    assert (
        events.end(AT, [(0, 5), (1, 1048575)])
        == b"id: 1795000000.12\nevent: end\ndata: [[0,5],[1,1048575]]\n\n"
    )


def test_lists_names_none_and_says_where_it_stands_if_that_is_known() -> None:
    assert events.lists(AT) == b"id: 1795000000.12\nevent: lists\ndata: []\n\n"
    assert events.lists(None) == b"event: lists\ndata: []\n\n"


def test_one_end_takes_at_most_64_octets() -> None:
    assert len(events.end(Place(1_795_000_000, 9_999_999), [(7, status_list.ENTRIES - 1)])) <= 64


@given(
    st.integers(0, 10**18 - 1),
    st.integers(0, 10**18 - 1),
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, status_list.ENTRIES - 1)), min_size=1),
)
def test_what_is_written_can_be_read(epoch: int, seq: int, bits: list[tuple[int, int]]) -> None:
    place = Place(epoch, seq)
    (event,) = read(events.GREETING + events.COMMENT + events.end(place, bits))
    assert event.kind == "end"
    assert [tuple(bit) for bit in json.loads(event.data)] == bits
    assert events.read_id(event.id.encode()) == place


@pytest.mark.parametrize(
    "id",
    [
        None,
        b"",
        b"1",
        b"1.",
        b".1",
        b"1.2.3",
        b"-1.2",
        b"1.2\n",
        b" 1.2",
        b"1.2x",
        b"\xd9\xa1.2",
        b"1." + b"9" * 19,
        b"x" * 10_000,
    ],
)
def test_an_id_that_is_not_ours_is_none(id: bytes | None) -> None:
    assert events.read_id(id) is None


def test_the_greeting_and_the_comment_are_no_events() -> None:
    assert read(events.GREETING + events.COMMENT) == []
