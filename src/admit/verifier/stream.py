"""The stream of ends, read: server-sent events (HTML Living Standard §9.2.6) into ends and hints. Pure and bounded.

A stream can only add refusals, so what it says needs no signature; and it proves nothing, so losing it costs speed
alone. Whatever is not as it should be raises, and the answer to that is to connect again.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from admit.errors import FetchError
from admit.tokens import status_list

MAX_LINE = 65_536
"""Octets; 1,000 ends of the greatest list number take half of it."""
MAX_EVENT = 131_072
MAX_ENDS = 1_000
MEDIA_TYPE = "text/event-stream"

_ID = re.compile(r"(\d{1,19})\.(\d{1,19})", re.ASCII)
_NUMBER = 2**63
_ends = msgspec.json.Decoder(list[tuple[int, int]], strict=True).decode

Place = tuple[int, int]


class StreamError(FetchError):
    """The stream cannot be followed.

    `reason` is one of few words, for counters; `long` says that it will not pass soon; `retry_after` is in seconds,
    where the server named it.
    """

    def __init__(
        self, reason: str, detail: str, *, long: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.long = long
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was sent. `id` is the last that the stream named, in this event or before."""

    name: str
    data: str
    id: str


@dataclass(frozen=True, slots=True)
class Ends:
    """Families that were ended: `(list, position)`. `place` is (epoch, seq) of the last end told."""

    ends: tuple[tuple[int, int], ...]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Lists:
    """There is more than the stream tells: the head has to be asked for."""

    place: Place | None


class EventParser:
    """Octets in, events out. Holds at most one line and one event.

    `retry` is the last reconnection time that the server named, in seconds.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._skip_newline = False
        self._begun = False
        self._data: list[str] = []
        self._size = 0
        self._name = ""
        self._id = ""
        self.retry: float | None = None

    def feed(self, octets: bytes) -> Iterator[Event]:
        """The events that these octets complete.

        Raises:
            StreamError: a line or an event beyond its bound.
        """
        for line in self._lines(octets):
            event = self._take(line)
            if event is not None:
                yield event

    def _lines(self, octets: bytes) -> Iterator[bytes]:
        """Lines end with CRLF, LF or CR; a CR at the end of one piece may have its LF in the next."""
        if self._skip_newline and octets:
            self._skip_newline = False
            octets = octets[1:] if octets[:1] == b"\n" else octets
        self._line += octets
        if octets and octets[-1] == 0x0D:
            self._skip_newline = True
        if b"\n" not in octets and b"\r" not in octets:
            check_line(len(self._line))
            return
        *lines, rest = re.split(rb"\r\n|\n|\r", bytes(self._line))
        self._line = bytearray(rest)
        for line in (*lines, rest):
            check_line(len(line))
        yield from lines

    def _take(self, octets: bytes) -> Event | None:
        line = octets.decode("utf-8", "replace")
        if not self._begun:
            self._begun = True
            line = line.removeprefix("\ufeff")
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(octets)
            check_event(self._size)
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) <= 9:
            self.retry = int(value) / 1000
        return None  # comments (an empty name) and unknown fields say nothing

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        return Event(name or "message", "\n".join(data), self._id) if data else None


def check_line(size: int) -> None:
    """Raise StreamError once a line has outgrown its bound: it would be held until it ends."""
    if size > MAX_LINE:
        raise StreamError("malformed", "a line of the stream is too long", long=True)


def check_event(size: int) -> None:
    """Raise StreamError once an event has outgrown its bound."""
    if size > MAX_EVENT:
        raise StreamError("malformed", "an event of the stream is too large", long=True)


def read(event: Event) -> Ends | Lists | None:
    """What an event of `/status/events` says; None for names that are not known here.

    Raises:
        StreamError: its data or its id is not that of such an event.
    """
    if event.name == "lists":
        return Lists(place_of(event.id))
    if event.name != "end":
        return None
    try:
        ends = _ends(event.data)
    except (msgspec.MsgspecError, UnicodeError):
        raise StreamError("malformed", "an event's data is not a list of ends") from None
    if len(ends) > MAX_ENDS:
        raise StreamError("malformed", "an event tells of too many ends")
    for n, position in ends:
        if not (0 <= n <= status_list.MAX_LIST and 0 <= position < status_list.ENTRIES):
            raise StreamError("malformed", "an end lies outside of its list")
    return Ends(tuple(ends), place_of(event.id))


def place_of(text: str) -> Place | None:
    """(epoch, seq) of an event's id; None where the stream named none.

    Raises:
        StreamError: it is something else.
    """
    if not text:
        return None
    found = _ID.fullmatch(text)
    if found is None:
        raise StreamError("malformed", "an event's id is not a place")
    epoch, seq = int(found[1]), int(found[2])
    if epoch >= _NUMBER or seq >= _NUMBER:
        raise StreamError("malformed", "an event's id is out of range")
    return epoch, seq


def place_text(place: Place) -> str:
    """A place as an id, for Last-Event-ID."""
    return f"{place[0]}.{place[1]}"


@dataclass(slots=True)
class Budget:
    """How much a stream may say: each second `rate`, at once `burst`. Times are any clock's that only rises."""

    rate: float
    burst: float
    at: float
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, amount: float, now: float) -> None:
        """Spend. Raises StreamError when a server floods."""
        self.left = min(self.burst, self.left + max(0.0, now - self.at) * self.rate) - amount
        self.at = now
        check_budget(self.left)


def check_budget(left: float) -> None:
    """Raise StreamError when more was said than may be."""
    if left < 0:
        raise StreamError("flood", "the stream says too much", long=True)


@dataclass(slots=True)
class Backoff:
    """How long to wait before connecting again, in seconds. Spread, so that many verifiers do not come together."""

    first: float = 0.2
    greatest: float = 10.0
    cool_down: float = 60.0
    settled: float = 10.0
    failures: int = 0

    def ended(self, lived: float, retry: float | None, jitter: Callable[[float, float], float]) -> float:
        """The server ended it in order, after `lived` seconds; one that does so at once is no better than a failure."""
        if lived < self.settled:
            return self._next(jitter)
        self.failures = 0
        return jitter(0.0, min(self.greatest, 1.0 if retry is None else retry))

    def failed(self, lived: float, error: StreamError, jitter: Callable[[float, float], float]) -> float:
        """It failed after `lived` seconds (0: it never began)."""
        if error.long or error.retry_after is not None:
            named = self.cool_down if error.retry_after is None else error.retry_after
            return min(2 * self.cool_down, max(self.first, named)) * jitter(1.0, 1.5)
        if lived >= self.settled:
            self.failures = 0
        return self._next(jitter)

    def _next(self, jitter: Callable[[float, float], float]) -> float:
        top = min(self.greatest, self.first * 2 ** min(self.failures, 16))
        self.failures += 1
        return jitter(top / 2, top)
