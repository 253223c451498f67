"""`Bff` in Starlette and FastAPI.

app = Starlette(routes=[*routes(bff), ...])         # FastAPI: app.router.routes += routes(bff)
who = await signed_in(bff, request)                 # an Identity, or None
"""

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from admit.integrations.bff import body
from admit.relying_party import Bff, Identity
from admit.relying_party.bff.http import Answer, Request

__all__ = ["routes", "signed_in"]


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
        self._limit = body.limit(bff)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answered(HttpRequest(scope, receive))
        response = Response(answer.body, answer.status)
        for name, value in answer.headers:
            response.headers.append(name, value)
        await response(scope, receive, send)

    async def _answered(self, request: HttpRequest) -> Answer:
        scope = request.scope
        read = bytearray()
        async for chunk in request.stream():
            read += chunk
            if len(read) > self._limit:
                return body.too_large()
        # `path` is unescaped already; what was sent tells an escaped slash from a slash.
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        return await self._bff.ahandle(
            Request(
                scope["method"],
                raw.partition(b"?")[0].decode("latin-1"),
                scope["query_string"].decode("latin-1"),
                scope["headers"],
                bytes(read),
            )
        )
