"""uvicorn's HTTP protocol with bounds on what a stranger may send before anything of ours runs.

The parser itself would keep a head of any size, and wait for the rest of it as long as the connection stands.
"""

from asyncio import Transport
from asyncio.events import TimerHandle
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 32_768
"""Octets of a request's line and headers together: 16 KiB of cookies or token, a long address, and the rest."""
MAX_HEADERS = 100
READ_WITHIN = 20.0
"""Seconds in which a whole request has arrived, counted from its first octet, or from the opening of the connection."""
LAST_REQUEST_WITHIN = 0.25
"""Seconds that a connection without a request is kept when the server stops: one may be on its way."""
_ONE_LOOK = 0.01

_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"cache-control: no-store\r\ncontent-length: 36\r\nconnection: close\r\n\r\nThe request's headers are too large."
)


class HeadTooLargeError(Exception):
    """Told to the parser, which stops."""


class AmbiguousFramingError(Exception):
    """Told to the parser, which stops: 400, and the connection is closed."""


def check_head(octets: int, headers: int) -> None:
    """Raise HeadTooLargeError for more than a request of ours ever needs."""
    if octets > MAX_HEAD or headers > MAX_HEADERS:
        raise HeadTooLargeError


def check_framing(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """One way only to tell where a request ends, RFC 9112 §6.1, §6.3: else somebody in front may have read another end.

    Raises:
        AmbiguousFramingError: both lengths, two of one, or a coding that is not exactly `chunked`.
    """
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise AmbiguousFramingError
    if codings and codings[0].lower() != b"chunked":
        raise AmbiguousFramingError
    if lengths and not (lengths[0].isdigit() and len(lengths[0]) <= 18):
        raise AmbiguousFramingError


def too_late(waited: float) -> bool:
    """Whether a request that is still not whole has had its time."""
    return waited >= READ_WITHIN


class BoundedProtocol(HttpToolsProtocol):
    """Refuses large heads with 431, and closes connections on which a request does not come to its end in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._octets = self._unparsed = 0
        self._in_head = True
        self._too_large = self._refused = False
        self._begun_at = 0.0
        self._receiving = False
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn itself does
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head, seen = self._in_head, self._octets
        super().data_received(data)
        if was_in_head and self._in_head and not self._refused:
            # What no whole header came out of grows inside the parser.
            self._unparsed = self._unparsed + len(data) if self._octets == seen else 0
            try:
                self._check()
            except HeadTooLargeError:
                self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._octets, self._unparsed, self._in_head = 0, 0, True
        self._receiving = True
        self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._octets += len(url)
        self._check()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._octets += len(name) + len(value) + 4
        self._check()

    def on_headers_complete(self) -> None:
        self._in_head = False
        check_framing(self.headers)
        super().on_headers_complete()
        self._receiving = False
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    @property
    def _stopping(self) -> bool:
        return getattr(self.server_state, "stopping", False)

    def shutdown(self) -> None:
        """The server takes no more connections. What has begun to arrive is answered; who says nothing is let go."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self._receiving:
            self.loop.call_later(LAST_REQUEST_WITHIN, self._close_if_silent, False)

    def _close_if_silent(self, looked: bool) -> None:
        if self._receiving or (self.cycle is not None and not self.cycle.response_complete):
            return
        if looked:
            self.transport.close()
        else:
            # A loop that was held up runs its timers first: let it read what came meanwhile. A socket that is closed
            # with something unread is reset.
            self.loop.call_later(_ONE_LOOK, self._close_if_silent, True)

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._refuse()
            return
        self._refused = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            super().send_400_response(msg)
        elif not cycle.more_body:  # a 400 would be taken for the answer to this good one
            cycle.keep_alive = False
        elif cycle.response_started or self.pipeline:
            self.transport.close()
        else:  # its own body is malformed
            super().send_400_response(msg)
            cycle.disconnected = True
            cycle.message_event.set()

    def _check(self) -> None:
        try:
            check_head(self._octets + self._unparsed, len(self.headers or ()))
        except HeadTooLargeError:
            self._too_large = True
            raise

    def _refuse(self) -> None:
        self._refused = True
        if self.cycle is None or self.cycle.response_complete:  # else it would stand inside another answer
            self.transport.write(_REFUSAL)
        self.transport.close()

    def _wait(self) -> None:
        self._stop_waiting()
        self._begun_at = self.loop.time()
        self._timer = self.loop.call_later(READ_WITHIN, self._close_if_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_if_late(self) -> None:
        if too_late(self.loop.time() - self._begun_at + 0.001):
            self.transport.abort()
