"""`Bff` in Starlette and FastAPI.

app = Starlette(routes=[*routes(bff), ...])         # FastAPI: app.router.routes += routes(bff)
who = await signed_in(bff, request)                 # an Identity, or None
"""

import asyncio
import logging

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from admit.errors import AdmitError
from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff import http
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.passing import Closed, Passing

__all__ = ["routes", "signed_in"]

_LOG = logging.getLogger("admit.bff")


def routes(bff: Bff) -> list[BaseRoute]:
    """The routes below the `mount` of a `Bff`; they go before those that take any path."""
    made: list[BaseRoute] = [Route(f"{bff.config.mount}/{{rest:path}}", _Endpoint(bff), name="admit-bff")]
    if any(api.websockets for api in bff.config.apis):
        made.append(WebSocketRoute(f"{bff.config.mount}/api/{{rest:path}}", _Sockets(bff)))
    return made


async def signed_in(bff: Bff, request: HttpRequest) -> Identity | None:
    """Who is signed in, for a route of the application's own. One that changes things holds `bff.check_csrf` too.

    Raises:
        UnavailableError: the session store does not answer.
    """
    return await bff.asession(request.scope["headers"])


class _Endpoint:
    """An ASGI application, so that the route takes every method."""

    def __init__(self, bff: Bff) -> None:
        self._bff = bff

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answered(HttpRequest(scope, receive))
        except ClientDisconnect:
            return  # in the midst of its upload: there is nobody to answer
        await _start(answer, send)
        if answer.passing is None:
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await _pass(answer.passing, receive, send)

    async def _answered(self, request: HttpRequest) -> Answer:
        scope = request.scope
        # `path` is unescaped already; what was sent tells an escaped slash from a slash.
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path, headers, read = raw.partition(b"?")[0].decode("latin-1"), scope["headers"], bytearray()
        upload = None
        if body.is_upload(self._bff, path, headers, framed=scope.get("http_version", "1.1") < "2"):
            upload = request.stream()
        else:
            async for chunk in request.stream():
                read += chunk
                if len(read) > body.HELD:
                    return body.too_large()
        query = scope["query_string"].decode("latin-1")
        return await self._bff.ahandle(Request(scope["method"], path, query, headers, bytes(read), upload))


class _Sockets:
    """WebSockets of pages that go on to APIs."""

    def __init__(self, bff: Bff) -> None:
        self._bff = bff

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        await receive()  # that it connects
        request = Request("GET", path, scope["query_string"].decode("latin-1"), scope["headers"])
        try:
            relayed = await self._bff.aconnect(request)
        except AdmitError as error:
            _LOG.info("no WebSocket: %s: %s", error.code, error.detail)
            await _deny(http.refusal(error), scope, send)
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": relayed.subprotocol})
        except BaseException:
            await relayed.aclose()
            raise
        await relayed.relay(_Browser(receive, send))


class _Browser:
    """The page's half of a WebSocket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._over = False

    async def receive(self) -> str | bytes | Closed:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._over = True
            return Closed(message.get("code", 1000), message.get("reason") or "")
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        await self._send({"type": "websocket.send", kind: message})

    async def close(self, code: int, reason: str) -> None:
        if not self._over:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})


async def _deny(answer: Answer, scope: Scope, send: Send) -> None:
    """Answer a handshake with a refusal; a server that cannot closes, which browsers take for 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


async def _start(answer: Answer, send: Send) -> None:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    whole = answer.passing is None and answer.status not in (204, 304)
    if whole and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _pass(passing: Passing, receive: Receive, send: Send) -> None:
    """Send what comes as the browser takes it, until either hangs up."""
    tasks = {asyncio.create_task(_sent(passing, send)), asyncio.create_task(_gone(receive))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await passing.aclose()
    for task in done:
        task.result()


async def _sent(passing: Passing, send: Send) -> None:
    try:
        async for piece in passing:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except AdmitError as error:
        _LOG.info("an answer was cut off: %s: %s", error.code, error.detail)
        return  # without its end, so that the server hangs up, and nobody takes it for a whole one
    await send({"type": "http.response.body"})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
