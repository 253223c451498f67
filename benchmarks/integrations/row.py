"""One measured application, and how a request is put through it with no server around."""

import asyncio
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BARE, NOTHING = "bare route", "a dependency that does nothing"
FLOOR, STANDARD = "floor: the checks inline", "the standard library by hand"
REMEMBERED, ANEW = "Admit, remembered", "Admit, HS256 each time"


@dataclass(frozen=True, slots=True)
class Row:
    """`call` makes one request and gives its status; `batch` makes so many, one after another."""

    framework: str
    name: str
    call: Callable[[], int]
    batch: Callable[[int], None]
    times: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    """What the row that this one is compared with took right before, each time."""

    def measure(self, batch: int, base: "Row") -> None:
        """CPU µs a request, of one batch beside one of `base`: a machine that changes its speed changes it for both."""
        self.beside.append(base.timed(batch))
        self.times.append(self.timed(batch))

    def timed(self, batch: int) -> float:
        """CPU µs a request, of one batch."""
        start = time.process_time()
        self.batch(batch)
        return (time.process_time() - start) / batch * 1e6


_LOOP = asyncio.new_event_loop()


def asgi(framework: str, name: str, app: Any, token: str, *, turning: bool = False) -> Row:
    """An ASGI application. A batch is one run of the event loop, as a server's is one for all its requests.

    `turning`: each request is a task of its own, so that the loop turns, and asks the system for events, between two.
    """
    headers = [
        (b"host", b"api.example.com"),
        (b"accept", b"*/*"),
        (b"authorization", b"Bearer " + token.encode()),
    ]

    async def once() -> int:
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": "/x",
            "raw_path": b"/x",
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("api.example.com", 443),
        }
        await app(scope, receive, send)
        return status

    async def many(batch: int) -> None:
        for _ in range(batch):
            await (_LOOP.create_task(once()) if turning else once())

    return Row(
        framework,
        name,
        lambda: _LOOP.run_until_complete(once()),
        lambda batch: _LOOP.run_until_complete(many(batch)),
    )


def wsgi(framework: str, name: str, app: Any, token: str, *, path: str = "/x") -> Row:
    """A WSGI application."""

    def once() -> int:
        status = 0

        def start_response(line: str, headers: Any, exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            return lambda _: None

        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "api.example.com",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "api.example.com",
            "HTTP_ACCEPT": "*/*",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        answer = app(environ, start_response)
        for _ in answer:
            pass
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        return status

    def many(batch: int) -> None:
        for _ in range(batch):
            once()

    return Row(framework, name, once, many)
