"""An answer that goes on: read piece by piece, with a limit on silence, and closed from another thread."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import httpcore2

from admit.errors import FetchError
from admit.fetch import network

CheckHead = Callable[[httpcore2.Response, int], Mapping[str, str]]
_ENDLESS = 2**63


class Stream:
    """One GET whose answer has no end. Made by `Fetcher.stream`; nothing is dialled before `open`.

    One thread opens and reads; `close` may be called by any, at any time, and ends a read that is under way. It has a
    connection of its own, so that it shares no fate with other requests.
    """

    def __init__(
        self,
        make_pool: Callable[[Callable[[httpcore2.NetworkStream], None]], httpcore2.ConnectionPool],
        request: httpcore2.Request,
        *,
        timeout: float,
        silence: float,
        check_head: CheckHead,
        translated: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._make_pool = make_pool
        self._request = request
        self._timeout = timeout
        self._silence = silence
        self._check_head = check_head
        self._translated = translated
        self._lock = threading.RLock()  # the garbage collector may close it in the midst of anything
        self._closed = False
        self._connection: httpcore2.NetworkStream | None = None
        self._pool: httpcore2.ConnectionPool | None = None
        self._response: httpcore2.Response | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}

    def open(self) -> Self:
        """Send the request and read the answer's head; `status` and `headers` are known then.

        Raises:
            FetchError: refused, failed, a redirect, too slow, or closed meanwhile.
        """
        try:
            with self._bounded(self._timeout):
                self._pool = self._make_pool(self._note)
                self._response = self._pool.handle_request(self._request)
                self.headers = self._check_head(self._response, _ENDLESS)
                self.status = self._response.status
        except BaseException:
            self._let_go()
            raise
        return self

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes, at most 64 KiB at a time; ends when the server ends it, or with `close`.

        Raises:
            FetchError: cut off, or nothing came for longer than `silence`.
        """
        assert self._response is not None
        pieces = self._response.iter_stream()
        while True:
            try:
                with self._bounded(self._silence):
                    piece = next(pieces)
            except StopIteration:
                return
            except FetchError:
                if self._closed:
                    return
                raise
            yield piece

    def close(self) -> None:
        """End it. A thread that reads from it is woken; what it holds is let go by that thread's `__exit__`."""
        with self._lock:
            self._closed = True
            connection = self._connection
        if connection is not None:
            _shut(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._let_go()

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):  # whatever state the other end left it in, it is over
            if self._response is not None:
                self._response.close()
        with contextlib.suppress(Exception):
            if self._pool is not None:
                self._pool.close()

    def _note(self, connection: httpcore2.NetworkStream) -> None:
        with self._lock:
            self._connection = connection
            closed = self._closed
        if closed:
            _shut(connection)

    @contextlib.contextmanager
    def _bounded(self, seconds: float) -> Iterator[None]:
        token = network.deadline.set(time.monotonic() + seconds)
        try:
            with self._translated():
                yield
        finally:
            network.deadline.reset(token)


def _shut(connection: httpcore2.NetworkStream) -> None:
    """Closing a descriptor does not wake the thread that reads from it; shutting the connection down does."""
    sock = connection.get_extra_info("socket")
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # past TLS, whose own would disturb the reader
