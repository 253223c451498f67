"""The events of `GET /status/events` as octets: Server-Sent Events, WHATWG HTML §9.2.

An event can only add refusals: it says which bits were set, or that something happened which only the head can tell.
So it needs no signature; the signed head proves freshness, and this only makes it quick.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

MEDIA_TYPE: Final = "text/event-stream"
MAX_CHANGES: Final = 1_000
"""Bits that one event names; of more it says `lists`, since a list is shorter then."""
COMMENT: Final = b":\n\n"
"""Says that the stream is alive."""
GREETING: Final = b":\nretry: 1000\n\n"
"""The first octets: an answer that nobody may hold back for want of content, and when to come again (milliseconds)."""

Bit: TypeAlias = tuple[int, int]
"""A list's number, and a position in it as tokens name it."""

_ID: Final = re.compile(rb"([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)


class Place(NamedTuple):
    """Where the ends stand: the id of an event, and what a verifier resumes from."""

    epoch: int
    seq: int


def end(place: Place, bits: Sequence[Bit]) -> bytes:
    """These bits were set up to `place`: `id: epoch.seq`, `event: end`, `data: [[n,position],…]`."""
    named = ",".join([f"[{n},{position}]" for n, position in bits])
    return f"id: {place.epoch}.{place.seq}\nevent: end\ndata: [{named}]\n\n".encode("ascii")


def lists(place: Place | None) -> bytes:
    """Something happened that is not told here: ask for the head at once. None: nothing is known here yet."""
    return (b"" if place is None else b"id: %d.%d\n" % place) + b"event: lists\ndata: []\n\n"


def read_id(last_event_id: bytes | None) -> Place | None:
    """The place that `Last-Event-ID` names; None where there is none, or it is no id of ours."""
    found = _ID.fullmatch(last_event_id) if last_event_id is not None else None
    return Place(int(found[1]), int(found[2])) if found is not None else None
