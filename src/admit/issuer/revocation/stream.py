"""Telling every open stream of each end, once encoded: the quick road beside the polls that prove.

Nothing here may be relied upon for safety. A subscriber that is too slow, came too late or was cut off is told
`lists`, and asks for the head.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Final, NamedTuple

from admit.errors import TooManyStreamsError
from admit.issuer.revocation import events
from admit.issuer.revocation.events import Bit, Place

TOGETHER: Final = 0.05
"""Seconds from one event to the next, at least: what happens in between is told in one."""
# Seconds for each open stream, so that a flood of ends costs 500 sendings a second. But nobody waits longer than
# `_LONGEST`, whatever that costs: with a thousand streams ten times as much.
_FOR_EACH: Final = 0.002
_LONGEST: Final = 0.2
_KEPT_EVENTS: Final = 2_048
_KEPT_OCTETS: Final = 1 << 20
_QUEUED_OCTETS: Final = 1 << 16


class Subscription:
    """One open stream: what it has not been given yet. Made by `Stream.subscribe`; closed by either side."""

    __slots__ = ("_leave", "_octets", "_queue", "_waiter", "closed")

    def __init__(self, leave: "Callable[[Subscription], None]") -> None:
        self._leave = leave
        self._queue: list[bytes] = []
        self._octets = 0
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    @property
    def idle(self) -> bool:
        """Whether it was given all there is."""
        return not self._queue

    def begin(self, first: bytes) -> None:
        """What comes before all that was queued since it was opened."""
        self._queue.insert(0, first)
        self._wake()

    def offer(self, event: bytes, otherwise: bytes) -> None:
        """Queue `event`. A subscriber that reads too slowly for all of it gets `otherwise` for what it missed."""
        self._octets += len(event)
        if may_wait(self._octets):
            self._queue.append(event)
        else:
            self._queue[:] = (otherwise,)
            self._octets = len(otherwise)
        self._wake()

    async def next(self) -> bytes | None:
        """All that waits, in one piece; waits until there is something. None: closed."""
        while not self._queue:
            if self.closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._queue[0] if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        self._octets = 0
        return piece

    def close(self) -> None:
        """End it; harmless when it is closed."""
        if not self.closed:
            self.closed = True
            self._leave(self)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Kept(NamedTuple):
    place: Place
    event: bytes
    stands: bool  # at the place of the event before: a key was revoked, which moves no end


class Stream:
    """All subscriptions of one process, and the events of the last while, from which one that was cut off resumes.

    Belongs to one event loop. `most` is how many may be open at once, and `each` how many of them one address may
    have in any case.
    """

    def __init__(self, *, most: int, each: int = 64) -> None:
        self._most = most
        self._each = each
        self._open: set[Subscription] = set()
        self._of: Counter[str] = Counter()  # how many streams an address has open
        self._kept: deque[_Kept] = deque()
        self._kept_octets = 0
        self._before: Place | None = None  # where `_kept` begins: just after this
        self._told: Place | None = None
        self._reached: Place | None = None
        self._bits: list[Bit] | None = []  # not told yet; None: more, or other, than an event can say
        self._told_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False

    @property
    def open_streams(self) -> int:
        """How many are open."""
        return len(self._open)

    def apart(self) -> float:
        """Seconds from one event to the next, at least, with as many streams as are open."""
        return together(len(self._open))

    def start(self) -> None:
        """Take subscribers again after `end`."""
        self._ending = False

    def end(self) -> None:
        """Close every stream at once, and take no more: the server stops."""
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for subscription in tuple(self._open):
            subscription.close()

    def advance(self, place: Place, bits: Sequence[Bit] | None) -> None:
        """The ends stand at `place` now, and `bits` were set on the way; None: that cannot be told in bits.

        Told at once, or together with what comes soon after the event before.
        """
        if self._reached is None or self._told is None:
            self._told = self._reached = place
            self._forget(place)
            return
        unsaid = bits is None or place.epoch != self._reached.epoch or place.seq < self._reached.seq
        if unsaid or self._bits is None or len(self._bits) + len(bits or ()) > events.MAX_CHANGES:
            self._bits = None
        else:
            self._bits.extend(bits or ())
        self._reached = place
        if self._timer is None and not self._ending:
            loop = asyncio.get_running_loop()
            wait = self._told_at + self.apart() - loop.time()
            if wait <= 0:
                self._tell()
            else:
                self._timer = loop.call_later(wait, self._tell)

    def subscribe(self, address: str | None = None) -> Subscription:
        """Open a stream to `address`, which is told of everything from now on.

        Raises:
            TooManyStreamsError: as many are open as may be, or as that address may have; or the server stops.
        """
        source, streams = source_of(address), len(self._open)
        if self._ending or not has_room(streams, self._most):
            raise TooManyStreamsError
        if not leaves_room(streams, self._most, of_source=self._of[source], each=self._each):
            raise TooManyStreamsError
        subscription = Subscription(lambda closed: self._left(closed, source))
        self._open.add(subscription)
        self._of[source] += 1
        return subscription

    def _left(self, subscription: Subscription, source: str) -> None:
        self._open.discard(subscription)
        self._of[source] -= 1
        if not self._of[source]:
            del self._of[source]

    def since(self, place: Place | None) -> bytes | None:
        """What a stream that was cut off at `place` missed. None: it is not kept here any more; look into the log.

        Without a place, from another epoch, or from one that nobody has told yet: `lists`.
        """
        told, before = self._told, self._before
        if place is None or told is None or before is None:
            return events.lists(told)
        if place.epoch != told.epoch or place.seq > told.seq:
            return events.lists(told)
        if place.seq < before.seq:
            return None
        return b"".join(
            kept.event
            for kept in self._kept
            if kept.place.seq > place.seq or (kept.stands and kept.place.seq == place.seq)
        )

    def _tell(self) -> None:
        self._timer = None
        if self._reached is None:
            return
        place, bits, before = self._reached, self._bits, self._told
        self._bits, self._told = [], place
        if bits is not None and not bits:
            return
        self._told_at = asyncio.get_running_loop().time()
        otherwise = events.lists(place)
        event = otherwise if bits is None else events.end(place, bits)
        if before is None or place.epoch != before.epoch or place.seq < before.seq:
            self._forget(place)
        else:
            self._keep(_Kept(place, event, place == before))
        for subscription in tuple(self._open):
            subscription.offer(event, otherwise)

    def _keep(self, kept: _Kept) -> None:
        self._kept.append(kept)
        self._kept_octets += len(kept.event)
        while len(self._kept) > _KEPT_EVENTS or self._kept_octets > _KEPT_OCTETS:
            oldest = self._kept.popleft()
            self._kept_octets -= len(oldest.event)
            self._before = oldest.place

    def _forget(self, place: Place) -> None:
        self._kept.clear()
        self._kept_octets = 0
        self._bits = []
        self._before = place


def has_room(streams: int, most: int) -> bool:
    """Whether one more stream may be opened beside these: each costs a connection, and some work at every event."""
    return streams < most


def leaves_room(streams: int, most: int, *, of_source: int, each: int) -> bool:
    """Whether one more stream of this source leaves room to others. It may have `each`, and more while half is free.

    Who opens all it can get leaves half of all streams to everybody else. Behind a proxy all are one source, and so
    half of all is what they may have: there the proxy limits its own callers, since nothing that it says of them is
    believed here.
    """
    return of_source < each or streams < most // 2


def source_of(address: str | None) -> str:
    """Whose an address is: of IPv6 the 64 bits that somebody is given as one (RFC 6177 §2)."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()


def may_wait(octets: int) -> bool:
    """Whether so much may wait for one reader: who reads too slowly must not fill our memory."""
    return octets <= _QUEUED_OCTETS


def together(streams: int) -> float:
    """Seconds from one event to the next: sending to all of these must leave time for other work."""
    return min(max(TOGETHER, streams * _FOR_EACH), _LONGEST)
