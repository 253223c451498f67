"""One request, or one handshake of a WebSocket, to an ASGI application, with nothing in between."""

import asyncio
from typing import Any, Protocol

from admit.integrations.asgi import QueryTokens
from admit.jose.waive import Waive
from tests.contract.services import Answer, Headers

DENIAL = {"websocket.http.response": {}}


class Asked(Protocol):
    """A `tests.contract.adapter.Request`."""

    path: str
    headers: Headers
    method: str
    socket: bool
    denial: bool


def scope_of(path: str, headers: Headers | None, kind: str) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"api.example.com"), *(headers or [])],
        "client": ("127.0.0.1", 1),
        "server": ("api.example.com", 443),
    }


def changed(scope: Any) -> None:
    """Middleware that rewrites a request in place: `X-Method` is its method from now on, `X-Caller` its credential."""
    for name, value in list(scope["headers"]):
        if name == b"x-method":
            scope["method"] = value.decode()
        elif name == b"x-caller":
            scope["headers"][:] = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
            scope["headers"].append((b"authorization", value))
        elif name == b"x-other":
            scope["headers"].append((b"x-request-id", value))


def waived(app: Any, paths: tuple[str, ...]) -> Any:
    """What the server runs: tokens in the query are taken at these paths, if there are any."""
    return QueryTokens(app, Waive.QUERY_TOKEN, paths=paths) if paths else app


async def call(app: Any, path: str, headers: Headers | None = None, method: str = "GET") -> Answer:
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()  # the client stays, and has nothing more to say
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({**scope_of(path, headers, "http"), "method": method, "scheme": "https"}, receive, send)
    return _answer(sent)


async def connect(app: Any, path: str, headers: Headers | None = None, *, denial: bool = True) -> Answer:
    """Open a WebSocket. `denial`: the server can answer with a response."""
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        **scope_of(path, headers, "websocket"),
        "scheme": "wss",
        "subprotocols": [],
        "extensions": DENIAL if denial else {},
    }
    await app(scope, receive, send)
    if sent[0]["type"] == "websocket.close":
        return Answer(403, {}, b"", closed=sent[0]["code"])
    if sent[0]["type"] == "websocket.accept":
        said = sent[1]
        return Answer(101, {}, (said.get("text") or "").encode() or said["bytes"])
    return _answer(sent)


async def ask(app: Any, request: Asked) -> Answer:
    """Whichever of the two it is."""
    if request.socket:
        return await connect(app, request.path, request.headers, denial=request.denial)
    return await call(app, request.path, request.headers, request.method)


def _answer(sent: list[dict[str, Any]]) -> Answer:
    start, *rest = sent
    bodies = [message["body"] for message in rest if message.get("body")]
    return Answer(
        start["status"],
        {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(bodies),
        len(bodies),
    )
