"""uvicorn's HTTP protocol with bounds on what a stranger may send before anything of ours runs.

The parser itself would keep a head of any size, and wait for the rest of it as long as the connection stands.
"""

import re
from asyncio import Transport
from asyncio.events import TimerHandle
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from admit.cli.connections import State

MAX_HEAD = 32_768
"""Octets of a request's line and headers together: 16 KiB of cookies or token, a long address, and the rest."""
MAX_HEADERS = 100
READ_WITHIN = 20.0
"""Seconds in which a whole request has arrived, counted from its first octet, or from the opening of the connection."""
WRITE_WITHIN = 60.0
"""Seconds in which whoever asked reads on, once what waits for him fills the buffer."""
LAST_REQUEST_WITHIN = 0.25
"""Seconds that a connection without a request is kept when the server stops: one may be on its way."""
_ONE_LOOK = 0.01
_AUTHORITY_END = re.compile(rb"[/?#]")

_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"cache-control: no-store\r\ncontent-length: 36\r\nconnection: close\r\n\r\nThe request's headers are too large."
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n"
    b"cache-control: no-store\r\ncontent-length: 25\r\nconnection: close\r\n\r\nToo many connections now."
)


class HeadTooLargeError(Exception):
    """Told to the parser, which stops."""


class AmbiguousFramingError(Exception):
    """Told to the parser, which stops: 400, and the connection is closed."""


class AmbiguousTargetError(Exception):
    """The same."""


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


def check_upgrade(is_asked: bool, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """No other protocol is spoken here, and who asks for one is answered in this one, RFC 9110 §7.8. But the parser
    ends such a request with its head: a body would be taken for the next request, which nobody in front has seen.

    Raises:
        AmbiguousFramingError: another protocol is asked for, and there is a body.
    """
    if is_asked and any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in headers
    ):
        raise AmbiguousFramingError


def check_target(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """A target in absolute form names the host that `Host` names, RFC 9112 §3.2.2: else one of them is what somebody
    in front went by, and the other what is answered here.

    Raises:
        AmbiguousTargetError: another host, or no form that a server is asked in.
    """
    if target.startswith(b"/") or target == b"*":
        return
    scheme, _, rest = target.partition(b"://")
    named = _AUTHORITY_END.split(rest, maxsplit=1)[0].lower()
    hosts = [value.lower() for name, value in headers if name == b"host"]
    if scheme.lower() not in (b"http", b"https") or hosts != [named]:
        raise AmbiguousTargetError


def is_trailer(in_head: bool) -> bool:
    """Whether a field stands behind the body. Such a one is never read as a header, RFC 9110 §6.5.1: whoever is in
    front has held its rules against the head, and what stands here is a stranger's word.
    """
    return not in_head


def too_late(waited: float) -> bool:
    """Whether a request that is still not whole has had its time."""
    return waited >= READ_WITHIN


def time_left(idle: float, keep_alive: float) -> float:
    """Seconds that a connection still has on which something came that is no request."""
    return max(keep_alive - idle, 0.0)


def stands_still(waited: float) -> bool:
    """Whether somebody who does not read his answers has had his time."""
    return waited >= WRITE_WITHIN


class BoundedProtocol(HttpToolsProtocol):
    """Refuses large heads with 431, and closes connections on which a request does not come to its end in time, on
    which nothing is asked for `timeout_keep_alive`, and whose answers nobody reads.
    """

    server_state: State

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._requests = self._octets = self._unparsed = 0
        self._timed = 0
        self._in_head = True
        self._is_whole = True
        self._too_large = self._refused = False
        self._begun_at = 0.0
        self._receiving = False
        self._timer: TimerHandle | None = None
        self._idle_since = 0.0
        self._full_since = 0.0
        self._write_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn itself does
        super().connection_made(transport)
        if self.server_state.room.admit(self, len(self.connections)):
            self._wait()
        else:
            self._refused = True
            transport.write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_writing()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head, seen = self._in_head, (self._requests, self._octets)
        super().data_received(data)
        if was_in_head and self._in_head and not self._refused:
            # What no whole header came out of grows inside the parser.
            self._unparsed = self._unparsed + len(data) if (self._requests, self._octets) == seen else 0
            try:
                self._check()
            except HeadTooLargeError:
                self._refuse()
        if not self._is_whole and self._timed != self._requests:  # most come whole, and need no timer
            self._timed = self._requests
            self._wait()
        if self._timer is None and self.timeout_keep_alive_task is None and self._answered:
            # Empty lines, or the end of a body that was refused: no request, so its time goes on.
            left = time_left(self.loop.time() - self._idle_since, self.timeout_keep_alive)
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._idle_since = self.loop.time()
        if self._answered and not self.transport.is_closing():
            self.server_state.room.wait(self, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for. Who has not even read the last answer would be waited for for ever by `close`."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_writing()
        self._full_since = self.loop.time()
        self._write_timer = self.loop.call_later(WRITE_WITHIN, self._close_if_still)

    def resume_writing(self) -> None:
        self._stop_writing()
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._octets, self._unparsed, self._in_head = 0, 0, True
        self._requests += 1
        self._receiving = True
        self._is_whole = False

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._octets += len(url)
        self._check()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not is_trailer(self._in_head):
            super().on_header(name, value)
        self._octets += len(name) + len(value) + 4
        # A hot path: the rule is asked where it may say no.
        if self._octets + self._unparsed > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._check()

    def on_headers_complete(self) -> None:
        self._in_head = False
        check_framing(self.headers)
        check_target(self.url, self.headers)
        is_upgrade = self.parser.should_upgrade()
        check_upgrade(is_upgrade, self.headers)
        super().on_headers_complete()
        self._receiving = False
        if (self.server_state.stopping or is_upgrade) and self.cycle is not None:
            self.cycle.keep_alive = False  # what comes behind an upgrade need not be HTTP/1

    def on_message_complete(self) -> None:
        self._is_whole = True
        self._stop_waiting()
        super().on_message_complete()

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def shutdown(self) -> None:
        """The server takes no more connections. What has begun to arrive is answered; who says nothing is let go."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self._receiving:
            self.loop.call_later(LAST_REQUEST_WITHIN, self._close_if_silent, False)

    def _close_if_silent(self, looked: bool) -> None:
        if self._receiving or not self._answered:
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
        if self._answered:  # else it would stand inside another answer
            self.transport.write(_REFUSAL)
        self.transport.close()

    def _wait(self) -> None:
        self._stop_waiting()
        self._begun_at = self.loop.time()
        self._timer = self.loop.call_later(READ_WITHIN, self._close_if_late)
        if self._answered:  # else it is told when the answer is over
            self.server_state.room.wait(self, self.transport.abort)

    def _stop_waiting(self) -> None:
        self.server_state.room.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_if_late(self) -> None:
        if too_late(self.loop.time() - self._begun_at + 0.001):
            self.transport.abort()

    def _stop_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _close_if_still(self) -> None:
        if stands_still(self.loop.time() - self._full_since + 0.001):
            self.transport.abort()
