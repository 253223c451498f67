"""The thread that listens to an issuer's stream of ends. It makes refusals quick; the poll alone makes them certain."""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum

from admit.errors import FetchError
from admit.fetch import Fetcher, Stream
from admit.verifier import freshness, stream
from admit.verifier.counters import Following, note
from admit.verifier.holding import Holding
from admit.verifier.stream import Backoff, Budget, Ends, EventParser, Lists, Place, StreamError

_LOG = logging.getLogger("admit.verifier")
SILENCE = timedelta(seconds=25)
"""The server says something each 10 s: nothing for this long is a connection that only half exists."""
_CONNECT = timedelta(seconds=5)
_ABSENT = 60.0
_OCTETS = (262_144.0, 2_097_152.0)
"""A second, and at once: a thousand ends each 50 ms would be 400 KB a second, and come as a hint instead."""
_EVENTS = (200.0, 4_000.0)


class StreamState(Enum):
    """Whether ends are heard of at once. `OFF`: there is no stream; `WAITING`: it is tried again by itself."""

    OFF = "off"
    WAITING = "waiting"
    OPEN = "open"


class StreamFollower:
    """Follows one stream in a thread of its own.

    `proved` is the place of the last head that made the state fresh: what came before it is held. `hint` is called when
    the head has to be asked for.
    """

    def __init__(
        self,
        holding: Holding,
        fetcher: Fetcher,
        *,
        url: Callable[[], str | None],
        proved: Callable[[], Place | None],
        hint: Callable[[], None],
        counters: Following,
        silence: timedelta = SILENCE,
        jitter: Callable[[float, float], float] = random.uniform,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._holding = holding
        self._fetcher = fetcher
        self._url = url
        self._proved = proved
        self._hint = hint
        self._counters = counters
        self._silence = silence
        self._jitter = jitter
        self._monotonic = monotonic
        self._place: Place | None = None
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stream: Stream | None = None
        self.state = StreamState.OFF
        self.error: str | None = None

    def renew_after_fork(self) -> None:
        """A child has no thread; its parent's connection is left alone, since both would read from it."""
        self._reset()

    def start(self) -> None:
        """Start the thread, unless it runs or was closed."""
        with self._wake:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(target=self._run, args=(self._wake,), name="admit-stream", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread to be had, as while the interpreter ends
                return
            self._thread = thread
            self.state = StreamState.WAITING

    def reconnect(self) -> None:
        """Begin anew: this machine slept, and the connection is likely to be dead without anybody saying so."""
        with self._wake:
            current = self._stream
        if current is not None:
            current.close()

    def close(self) -> threading.Thread | None:
        """End it; the thread, which may take a moment."""
        with self._wake:
            self._closed = True
            current, thread = self._stream, self._thread
            self._wake.notify_all()
        if current is not None:
            current.close()
        return thread

    def _run(self, wake: threading.Condition) -> None:
        backoff, closed = Backoff(), False
        while not closed:
            pause = self._once(backoff)
            with wake:
                if not self._closed:
                    wake.wait(pause)
                closed = self._closed
        self.state = StreamState.OFF

    def _once(self, backoff: Backoff) -> float:
        """Connect and follow until it ends; the seconds to wait before the next time."""
        url = self._url()
        if url is None:
            self.state = StreamState.OFF
            return _ABSENT * self._jitter(0.8, 1.0)
        self.state = StreamState.WAITING
        began = self._monotonic()
        parser = EventParser()
        try:
            self._follow(url, parser)
        except StreamError as error:
            return self._failed(error, backoff, began)
        except FetchError as error:
            return self._failed(StreamError(error.code, error.detail), backoff, began)
        except Exception:  # the poll goes on, so this thread must neither die nor be in a hurry
            _LOG.exception("following a stream of ends failed unexpectedly")
            return self._failed(StreamError("server_error", "", long=True), backoff, began)
        finally:
            self.state = StreamState.WAITING
        self.error = None
        return backoff.ended(self._monotonic() - began, parser.retry, self._jitter)

    def _failed(self, error: StreamError, backoff: Backoff, began: float) -> float:
        if self._closed:
            return 0.0
        if error.reason != self.error:
            _LOG.info("the stream of ends is not followed: %s: %s", error.reason, error.detail)
        self.error = error.reason
        note(self._counters.stream_failed, error.reason)
        if error.reason in ("malformed", "flood"):
            self._place = None  # of what it told, some may have been missed: ask, and go on from there
            self._hint()
        return backoff.failed(self._monotonic() - began, error, self._jitter)

    def _follow(self, url: str, parser: EventParser) -> None:
        headers = {"accept": stream.MEDIA_TYPE}
        place = self._resume()
        if place is not None:
            headers["last-event-id"] = stream.place_text(place)
        made = self._fetcher.stream(url, headers, timeout=_CONNECT, silence=self._silence)
        with self._wake:
            if self._closed:
                return
            self._stream = made
        try:
            with made.open():
                check_answer(made)
                self._counters.stream_opened += 1
                self._read(made, parser)
        finally:
            with self._wake:
                self._stream = None

    def _read(self, made: Stream, parser: EventParser) -> None:
        now = self._monotonic()
        octets, events = Budget(*_OCTETS, at=now), Budget(*_EVENTS, at=now)
        for chunk in made.chunks():
            if self.state is not StreamState.OPEN:  # only now is it sure that nobody between keeps it back
                was_away = self.error is not None
                self.state, self.error = StreamState.OPEN, None
                if was_away:
                    self._hint()  # what is held may have gone stale meanwhile, and the next poll be seconds away
            self._counters.stream_octets += len(chunk)
            now = self._monotonic()
            octets.take(len(chunk), now)
            for event in parser.feed(chunk):
                self._counters.stream_events += 1
                events.take(1, now)
                self._take(stream.read(event))

    def _take(self, said: Ends | Lists | None) -> None:
        if said is None:
            return
        if isinstance(said, Ends):
            held = self._holding.change_held(lambda held: freshness.take_delta(held, said.ends))
            self._counters.stream_ends += len(said.ends)
            if any(n not in held.bitmaps for n, _ in said.ends):
                self._hint()  # a list that is newer than the last head
        else:
            self._hint()
        if said.place is not None:
            self._place = said.place

    def _resume(self) -> Place | None:
        """Where to go on: after the last end that was heard of, in the stream or by asking, whichever is later."""
        proved = self._proved()
        if self._place is None or proved is None:
            return self._place or proved
        return max(self._place, proved)


def check_answer(made: Stream) -> None:
    """Raise StreamError unless the answer is a stream of events."""
    if made.status != 200:
        named = made.headers.get("retry-after", "")
        busy = made.status in (429, 503)
        after = float(named) if busy and named.isascii() and named.isdigit() and len(named) < 6 else None
        # 5xx passes as outages do; everything else is as it is until somebody changes the issuer.
        raise StreamError("refused", "no stream was given", long=made.status < 500, retry_after=after)
    kind = made.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != stream.MEDIA_TYPE:
        raise StreamError("not_a_stream", "the answer is no stream of events", long=True)
