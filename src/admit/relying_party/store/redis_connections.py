"""Connections to Redis that have one limit for all that a question takes: connecting, greetings, and the reply.

redis-py's own limits are for each step: a server that is slow at every one of them takes their sum.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

_QUESTION: Final = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is asked here, by this thread, is answered in so many seconds."""
    _QUESTION.until = time.monotonic() + seconds
    try:
        yield
    finally:
        del _QUESTION.until


def _left(usual: float) -> float:
    """Seconds that the question has; `usual` where nobody set a limit.

    Raises:
        redis.exceptions.TimeoutError: none.
    """
    until: float | None = getattr(_QUESTION, "until", None)
    if until is None:
        return usual
    left = until - time.monotonic()
    if left <= 0:
        raise RedisTimeoutError("there is no time left for this question")
    return left


class _Limited:
    """Before another class of redis-py: each step has what is left of the whole."""

    _usual: float
    disconnect: Callable[[], None]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._usual = more["socket_timeout"]

    def _connect(self) -> Any:
        # Set at each connecting anew: the handshake of TLS goes by the second.
        vars(self)["socket_connect_timeout"] = vars(self)["socket_timeout"] = _left(self._usual)
        plain: Any = super()
        return plain._connect()

    def send_packed_command(self, *args: Any, **more: Any) -> Any:
        self._limit()
        plain: Any = super()
        return plain.send_packed_command(*args, **more)

    def read_response(self, *args: Any, **more: Any) -> Any:
        try:
            self._limit()
        except RedisTimeoutError:
            # The answer is still to come: whoever had this connection next would take it for theirs.
            self.disconnect()
            raise
        plain: Any = super()
        return plain.read_response(*args, **more)

    def _limit(self) -> None:
        sock = vars(self).get("_sock")
        if sock is not None:
            sock.settimeout(_left(self._usual))


class _Plain(_Limited, Connection):
    """By TCP."""


class _Tls(_Limited, SSLConnection):
    """By TLS."""


class _Local(_Limited, UnixDomainSocketConnection):
    """By a socket of this machine."""


LIMITED: Final = {"redis": _Plain, "rediss": _Tls, "unix": _Local}
"""The class of connections for each scheme of a URL."""
