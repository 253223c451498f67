"""A body that is sent as it comes, and an answer that is passed on as it comes: nothing is held, nothing is decoded.

Whoever reads slowly makes the other side wait: a piece is read when the one before was taken.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final

import httpcore2

from admit.errors import FetchError
from admit.fetch import network

SILENCE: Final = timedelta(seconds=120)
Translated = Callable[[], AbstractContextManager[None]]


class Flow:
    """An answer whose head was read; `chunks` are its body. Whoever has it closes it, from the same thread.

    Header names are lower case; a repeated header is one value with commas, RFC 9110 §5.3; there are no cookies.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: Iterator[bytes], close: Callable[[], None]
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self._close = close

    def close(self) -> None:
        """Let go of the connection; where the answer was not read to its end, the server is hung up on."""
        with contextlib.suppress(Exception):  # whatever state the other end left it in, it is over
            self._close()


class AsyncFlow:
    """`Flow` for an event loop."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncIterator[bytes],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self._close = close

    async def aclose(self) -> None:
        """`Flow.close`."""
        with contextlib.suppress(Exception):
            await self._close()


def opened(
    pool: httpcore2.ConnectionPool,
    request: httpcore2.Request,
    timeout: float,
    silence: timedelta,
    translated: Translated,
) -> Flow:
    """Send a request, and read its answer's head. Raises FetchError, and what the body raises."""
    request.extensions["timeout"] = {"pool": timeout}
    token = network.deadline.set(time.monotonic() + timeout)
    try:
        response = pool.handle_request(request)
    finally:
        network.deadline.reset(token)
    try:
        headers = head_of(response)
    except BaseException:
        response.close()
        raise
    chunks = _chunks(response.iter_stream(), silence.total_seconds(), translated)
    return Flow(response.status, headers, chunks, response.close)


async def aopened(
    pool: httpcore2.AsyncConnectionPool,
    request: httpcore2.Request,
    silence: timedelta,
    translated: Translated,
) -> AsyncFlow:
    """`opened` in the running event loop, under a timeout of the caller's."""
    response = await pool.handle_async_request(request)
    try:
        headers = head_of(response)
    except BaseException:
        await response.aclose()
        raise
    chunks = _achunks(response.aiter_stream(), silence.total_seconds(), translated)
    return AsyncFlow(response.status, headers, chunks, response.aclose)


def paced(body: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    """A body of which each piece has so long to be taken, and the answer's head after the last."""
    for piece in body:
        network.deadline.set(time.monotonic() + seconds)
        yield piece
    network.deadline.set(time.monotonic() + seconds)


async def apaced(
    body: AsyncIterable[bytes], limit: asyncio.Timeout, seconds: float, silence: float
) -> AsyncIterator[bytes]:
    """The same in an event loop; each piece has to come within `silence` as well."""
    clock = asyncio.get_running_loop().time
    limit.reschedule(clock() + silence)
    async for piece in body:
        limit.reschedule(clock() + seconds)
        yield piece
        limit.reschedule(clock() + silence)
    limit.reschedule(clock() + seconds)


def head_of(response: httpcore2.Response) -> Mapping[str, str]:
    """The answer's headers. Raises FetchError for a redirect, whose target was judged by nobody, and for no answer."""
    if response.status < 200 or (300 <= response.status < 400 and response.status != 304):
        raise FetchError("the answer is a redirect, or none")
    headers: dict[str, str] = {}
    for octets, value in response.headers:
        name = octets.decode("latin-1").lower()
        if name != "set-cookie":
            told = value.decode("latin-1")
            headers[name] = f"{headers[name]}, {told}" if name in headers else told
    return headers


def _chunks(pieces: Iterator[bytes], silence: float, translated: Translated) -> Iterator[bytes]:
    while True:
        token = network.deadline.set(time.monotonic() + silence)
        try:
            with translated():
                piece = next(pieces, None)
        finally:
            network.deadline.reset(
                token
            )  # set and reset within one step, which may be another thread's than the last
        if piece is None:
            return
        yield piece


async def _achunks(
    pieces: AsyncIterator[bytes], silence: float, translated: Translated
) -> AsyncIterator[bytes]:
    while True:
        with translated():
            async with asyncio.timeout(silence):
                piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece
