"""`Bff` in Starlette and FastAPI.

app = Starlette(routes=[*routes(bff), ...])         # FastAPI: app.router.routes += routes(bff)
who = await signed_in(bff, request)                 # an Identity, or None
"""

import asyncio
import logging

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from admit.errors import AdmitError
from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff.http import Answer, Request
from admit.relying_party.bff.passing import Passing

__all__ = ["routes", "signed_in"]

_LOG = logging.getLogger("admit.bff")


def routes(bff: Bff) -> list[BaseRoute]:
    """The routes below the `mount` of a `Bff`; they go before those that take any path."""
    return [Route(f"{bff.config.mount}/{{rest:path}}", _Endpoint(bff), name="admit-bff")]


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
