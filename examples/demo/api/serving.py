"""Serves one of the APIs beside this file, and adds what the demo's page shows to each answer.

`X-Demo-Calls` tells which calls really left this process for the request, and `X-Demo-Carried` how many octets of
credential it carried; other cookies of this host are not counted.
"""

import sys
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn
from ordering import CALLS, Settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admit.credentials.cookies import session_cookie_name

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"


def serve_asgi(app: ASGIApp, settings: Settings) -> None:
    """By uvicorn, until it is told to end."""
    told = TellCalls(app, _cookie(settings))
    uvicorn.run(told, host=HOST, port=settings.port, access_log=False, log_level="warning")


def serve_wsgi(app: "WSGIApplication", settings: Settings) -> None:
    """By Python's own server, a thread a request, until it is told to end. Elsewhere it is gunicorn or its like."""
    told = TellCallsInThreads(app, _cookie(settings))
    make_server(HOST, settings.port, told, Threads, Quiet).serve_forever()


class Threads(ThreadingMixIn, WSGIServer):
    """Browsers open connections before they have something to ask."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is nobody's trouble."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Quiet(WSGIRequestHandler):
    """Without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Not a word."""


def _cookie(settings: Settings) -> str:
    return session_cookie_name(settings.issuer, dev=True)


class TellCalls:
    """Adds the two headers to each answer of an ASGI application."""

    def __init__(self, app: ASGIApp, cookie: str) -> None:
        self._app = app
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        calls: list[str] = []
        CALLS.set(calls)
        sent = {name: value.decode("latin-1") for name, value in scope["headers"]}
        carried = _carried(sent.get(b"authorization", ""), sent.get(b"cookie", ""), self._cookie)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in _told(calls, carried)]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, tell)


class TellCallsInThreads:
    """The same for a WSGI application."""

    def __init__(self, app: "WSGIApplication", cookie: str) -> None:
        self._app = app
        self._cookie = cookie

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        calls: list[str] = []
        CALLS.set(calls)
        carried = _carried(
            environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_COOKIE", ""), self._cookie
        )

        def tell(status: str, headers: list[tuple[str, str]], *failed: Any) -> Any:
            return start_response(status, [*headers, *_told(calls, carried)], *failed)

        return self._app(environ, tell)


def _carried(authorization: str, cookies: str, name: str) -> int:
    """How many octets of these headers say who asks."""
    return len(authorization) + sum(len(pair) for pair in cookies.split("; ") if pair.startswith(f"{name}="))


def _told(calls: list[str], carried: int) -> list[tuple[str, str]]:
    return [("X-Demo-Calls", ", ".join(calls)), ("X-Demo-Carried", str(carried))]
