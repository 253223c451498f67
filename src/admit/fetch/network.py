"""Sockets behind the guard: a name is resolved once, judged, and the judged address is what gets dialled.

TLS still speaks to the name (SNI and certificate), since the pool above calls `start_tls` with it.
"""

import asyncio
import contextvars
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore2

from admit.fetch import egress

Resolve = Callable[[str, int], Sequence[str]]
Connected = Callable[[httpcore2.NetworkStream], None]
ResolveAsync = Callable[[str, int], Awaitable[Sequence[str]]]

# End of the request under way, by `time.monotonic`. Timeouts of single reads would let a server drip for ever.
deadline: contextvars.ContextVar[float] = contextvars.ContextVar("admit_fetch_deadline")


def _left(timeout: float | None) -> float:
    left = deadline.get(time.monotonic() + 5.0) - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("deadline")
    return left if timeout is None else min(left, timeout)


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, in the system's order, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def resolve_async(host: str, port: int) -> Sequence[str]:
    """The same, without blocking the event loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _DeadlineStream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, connected: Connected | None = None) -> None:
        self._stream = stream
        self._connected = connected
        if connected is not None:
            connected(stream)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(timeout))
        return _DeadlineStream(secured, self._connected)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore2.NetworkBackend):
    """Connects to judged addresses only. `trusted` are (host, port) pairs whose addresses are not judged.

    `connected` is told of each connection as soon as there is one, and again of what TLS makes of it.
    """

    def __init__(
        self,
        trusted: frozenset[tuple[str, int]],
        inner: httpcore2.NetworkBackend | None = None,
        resolver: Resolve = resolve,
        connected: Connected | None = None,
    ) -> None:
        self._trusted = trusted
        self._inner = inner or httpcore2.SyncBackend()
        self._resolve = resolver
        self._connected = connected

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            addresses = list(self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("no address") from error
        if (host, port) not in self._trusted:
            addresses = egress.check_addresses(addresses)
        last: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                stream = self._inner.connect_tcp(address, port, _left(timeout), local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
            else:
                return _DeadlineStream(stream, self._connected)
        raise last


class GuardedAsyncBackend(httpcore2.AsyncNetworkBackend):
    """The same for an event loop; the deadline there is a timeout around the whole request."""

    def __init__(
        self,
        trusted: frozenset[tuple[str, int]],
        inner: httpcore2.AsyncNetworkBackend | None = None,
        resolver: ResolveAsync = resolve_async,
    ) -> None:
        self._trusted = trusted
        self._inner = inner or httpcore2.AnyIOBackend()
        self._resolve = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the interface's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = list(await self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("no address") from error
        if (host, port) not in self._trusted:
            addresses = egress.check_addresses(addresses)
        last: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
