"""`Fetcher`: GET and POST through the guard, bounded in time and size, in a thread or in an event loop."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpcore2

from admit.errors import FetchError, FetchTimeoutError
from admit.fetch import egress, flow, network
from admit.fetch.flow import AsyncFlow, Flow
from admit.fetch.pools import Pools
from admit.fetch.stream import Stream

_LIMIT = 256 * 1024
_ROOM, _ASYNC_ROOM, _FLOWS = 20, 100, 1_000
"""Connections at the same time: of a thread's requests, of a loop's, and of flows, which may last for hours."""
_BROKEN_IDLE = (httpcore2.ReadError, httpcore2.WriteError, httpcore2.RemoteProtocolError)
_TROUBLE = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    OSError,
    ssl.SSLError,
)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Header names are lower case; of a repeated header the last one is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetcher:
    """Dials out, for one set of named origins.

    `allow` holds origins (`https://id.internal:8443`) whose addresses are not judged, and for which plain http is taken
    if they are loopback; everything else has to be https on public addresses. No redirect is followed, no proxy or
    password of the environment is used. `timeout` bounds a whole request. `ca_file` is trusted beside the system's
    certificates. Construction does no I/O, and one instance serves threads, event loops and forked children.
    """

    def __init__(
        self,
        allow: frozenset[str] = frozenset(),
        *,
        timeout: timedelta = timedelta(seconds=5),
        max_bytes: int = _LIMIT,
        ca_file: str | os.PathLike[str] | None = None,
        backend: httpcore2.NetworkBackend | None = None,
        resolver: network.Resolve = network.resolve,
    ) -> None:
        self._allow = frozenset(egress.origin_of(origin) for origin in allow)
        self._timeout = timeout.total_seconds()
        self._max_bytes = max_bytes
        self._pools = Pools(self._allow, ca_file=ca_file, backend=backend, resolver=resolver)

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: timedelta | None = None,
        max_bytes: int | None = None,
    ) -> Response:
        """GET `url`. Raises FetchError when it is refused, fails, redirects, or is too slow or too large."""
        return self._request("GET", url, headers, None, timeout, max_bytes)

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: timedelta | None = None,
        max_bytes: int | None = None,
    ) -> Response:
        """POST `body`; a dropped idle connection may repeat it once. Raises FetchError as `get` does."""
        return self._request("POST", url, headers, body, timeout, max_bytes)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        timeout: timedelta | None = None,
        max_bytes: int | None = None,
        repeat: bool = False,
    ) -> Response:
        """Any method. With `repeat` a dropped idle connection may repeat it once. Raises FetchError as `get` does."""
        return self._request(method, url, headers, body, timeout, max_bytes, repeat=repeat)

    def stream(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: timedelta | None = None,
        silence: timedelta = timedelta(seconds=25),
    ) -> Stream:
        """A GET whose answer goes on, for server-sent events; not dialled yet. `timeout` is for all up to the answer's
        head, `silence` for each wait after it. Raises FetchError when the URL is refused."""
        target = egress.check_url(url, self._allow)

        def pool(connected: network.Connected) -> httpcore2.ConnectionPool:
            return self._pools.alone(target.scheme, connected)

        return Stream(
            pool,
            _build("GET", target, headers, None),
            timeout=self._timeout if timeout is None else timeout.total_seconds(),
            silence=silence.total_seconds(),
            check_head=_check_head,
            translated=_translated,
        )

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        *,
        timeout: timedelta | None = None,
        silence: timedelta = flow.SILENCE,
        repeat: bool = False,
    ) -> Flow:
        """Any method, with a body that is sent and an answer that is read as they come; the caller closes it.

        `timeout` is for the answer's head, counted from the last of the body, and for each piece of the body to be
        taken; `silence` is for each further piece of the answer, and for each of the body to come. No size is judged,
        and a compressed answer is taken where `headers` ask for one. Raises FetchError as `get` does.
        """
        target = egress.check_url(url, self._allow)
        seconds = self._timeout if timeout is None else timeout.total_seconds()
        with _translated():
            pool = self._pools.of_threads(target.scheme, _FLOWS)
            sent = body if body is None or isinstance(body, bytes) else flow.paced(body, seconds)
            try:
                return flow.opened(pool, _build(method, target, headers, sent), seconds, silence, _translated)
            except _BROKEN_IDLE:
                if not repeat:
                    raise
                return flow.opened(pool, _build(method, target, headers, sent), seconds, silence, _translated)

    async def aopen(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109  (not of this call: each piece of the body has it anew)
        silence: timedelta = flow.SILENCE,
        repeat: bool = False,
    ) -> AsyncFlow:
        """`open` in the running event loop."""
        target = egress.check_url(url, self._allow)
        seconds = self._timeout if timeout is None else timeout.total_seconds()
        with _translated():
            pool = await self._pools.of_loop(target.scheme, _FLOWS)
            async with asyncio.timeout(seconds) as limit:
                sent = body
                if body is not None and not isinstance(body, bytes):
                    sent = flow.apaced(body, limit, seconds, silence.total_seconds())
                try:
                    return await flow.aopened(
                        pool, _build(method, target, headers, sent), silence, _translated
                    )
                except _BROKEN_IDLE:
                    if not repeat:
                        raise
                    return await flow.aopened(
                        pool, _build(method, target, headers, sent), silence, _translated
                    )

    async def aconnect(self, url: str) -> httpcore2.AsyncNetworkStream:
        """A connection to the host of an http or https URL, for another protocol; closed by the caller.

        Raises FetchError when it is refused, fails, or is too slow.
        """
        target = egress.check_url(url, self._allow)
        with _translated():
            async with asyncio.timeout(self._timeout):
                return await self._pools.connection(target)

    async def aget(
        self, url: str, headers: Mapping[str, str] | None = None, *, max_bytes: int | None = None
    ) -> Response:
        """`get` in the running event loop; a shorter timeout is the caller's `asyncio.timeout`."""
        return await self._arequest("GET", url, headers, None, max_bytes or self._max_bytes)

    async def apost(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None, *, max_bytes: int | None = None
    ) -> Response:
        """`post` in the running event loop."""
        return await self._arequest("POST", url, headers, body, max_bytes or self._max_bytes)

    async def arequest(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        max_bytes: int | None = None,
        repeat: bool = False,
    ) -> Response:
        """`request` in the running event loop."""
        return await self._arequest(method, url, headers, body, max_bytes or self._max_bytes, repeat=repeat)

    def close(self) -> None:
        """Close the idle connections of threads. Loops close theirs by `aclose`, or by ending."""
        self._pools.close()

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop."""
        await self._pools.aclose()

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        timeout: timedelta | None,
        max_bytes: int | None,
        *,
        repeat: bool = True,
    ) -> Response:
        target = egress.check_url(url, self._allow)
        seconds = self._timeout if timeout is None else timeout.total_seconds()
        limit = max_bytes or self._max_bytes
        with _translated():
            pool = self._pools.of_threads(target.scheme, _ROOM)
        token = network.deadline.set(time.monotonic() + seconds)
        try:
            with _translated():
                try:
                    return self._send(pool, _build(method, target, headers, body), limit)
                except _BROKEN_IDLE:
                    if not repeat:
                        raise
                    return self._send(pool, _build(method, target, headers, body), limit)
        finally:
            network.deadline.reset(token)

    def _send(self, pool: httpcore2.ConnectionPool, request: httpcore2.Request, limit: int) -> Response:
        response = pool.handle_request(request)
        try:
            head = _check_head(response, limit)
            body = bytearray()
            for chunk in response.iter_stream():
                body += chunk
                check_size(len(body), limit)
            return Response(response.status, head, bytes(body))
        finally:
            response.close()

    async def _arequest(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        limit: int,
        *,
        repeat: bool = True,
    ) -> Response:
        target = egress.check_url(url, self._allow)
        with _translated():
            pool = await self._pools.of_loop(target.scheme, _ASYNC_ROOM)
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._asend(pool, _build(method, target, headers, body), limit)
                except _BROKEN_IDLE:
                    if not repeat:
                        raise
                    return await self._asend(pool, _build(method, target, headers, body), limit)

    async def _asend(
        self, pool: httpcore2.AsyncConnectionPool, request: httpcore2.Request, limit: int
    ) -> Response:
        response = await pool.handle_async_request(request)
        try:
            head = _check_head(response, limit)
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                check_size(len(body), limit)
            return Response(response.status, head, bytes(body))
        finally:
            await response.aclose()


def _build(
    method: str,
    target: egress.Target,
    headers: Mapping[str, str] | None,
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] | None,
) -> httpcore2.Request:
    shown = f"[{target.host}]" if ":" in target.host else target.host
    standard = {"https": 443, "http": 80}[target.scheme]
    sent = {
        "host": shown if target.port == standard else f"{shown}:{target.port}",
        "user-agent": "admit",
        # A compressed answer could grow past every limit after it was counted.
        "accept-encoding": "identity",
    }
    if isinstance(body, bytes):
        sent["content-length"] = str(len(body))
    sent.update({name.lower(): value for name, value in (headers or {}).items()})
    url = httpcore2.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )
    raw = [(name.encode("ascii"), value.encode("latin-1")) for name, value in sent.items()]
    return httpcore2.Request(method, url, headers=raw, content=body)


def check_size(size: int, limit: int) -> None:
    """Raise FetchError once a body has outgrown its limit."""
    if size > limit:
        raise FetchError("the answer is too large")


def check_redirect(status: int) -> None:
    """Raise FetchError for a redirect: its target was judged by nobody. 304 is none."""
    if 300 <= status < 400 and status != 304:
        raise FetchError("the answer is a redirect")


def _check_head(response: httpcore2.Response, limit: int) -> Mapping[str, str]:
    check_redirect(response.status)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError("the answer is compressed though that was not asked for")
    length = headers.get("content-length", "")
    if length.isdigit():
        check_size(int(length), limit)
    return headers


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Every kind of network trouble as FetchError, without the library's words (they may quote an address)."""
    try:
        yield
    except (httpcore2.TimeoutException, TimeoutError) as error:
        raise FetchTimeoutError(f"the request failed: {type(error).__name__}") from error
    except _TROUBLE as error:
        raise FetchError(f"the request failed: {type(error).__name__}") from error
