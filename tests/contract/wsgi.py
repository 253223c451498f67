"""One request to a WSGI application, with nothing in between but the standard library's check of the protocol."""

import io
import sys
from collections.abc import Iterable
from typing import Any
from wsgiref.validate import validator

from admit.integrations.wsgi import QueryTokens
from admit.jose.waive import Waive
from tests.contract.services import Answer, Headers

JOINED = "its server joins them by a comma; one that speaks HTTP/2 has joined them by a semicolon before"


def environ_of(path: str, headers: Headers | None, method: str) -> dict[str, Any]:
    """As servers make it: a header that is there twice is joined by a comma."""
    path, _, query = path.partition("?")
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "api.example.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "api.example.com",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers or []:
        key = name.decode().upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        made[key] = f"{made[key]},{text}" if key in made else text
    return made


def changed(environ: dict[str, Any]) -> None:
    """Middleware that rewrites a request: `X-Method` is its method from now on, `X-Caller` its credential."""
    environ["REQUEST_METHOD"] = environ.get("HTTP_X_METHOD", environ["REQUEST_METHOD"])
    if "HTTP_X_CALLER" in environ:
        environ["HTTP_AUTHORIZATION"] = environ["HTTP_X_CALLER"]
    if "HTTP_X_OTHER" in environ:
        environ["HTTP_X_REQUEST_ID"] = environ["HTTP_X_OTHER"]


def waived(app: Any, paths: tuple[str, ...]) -> Any:
    """What the server runs: tokens in the query are taken at these paths, if there are any."""
    return QueryTokens(app, Waive.QUERY_TOKEN, paths=paths) if paths else app


def call(app: Any, path: str, headers: Headers | None = None, method: str = "GET") -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, sent: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((status, sent))
        return lambda data: None

    body: Iterable[bytes] = validator(app)(environ_of(path, headers, method), start_response)
    try:
        parts = [part for part in body if part]
    finally:
        body.close()  # type: ignore[attr-defined]  # the validator's always has it
    status, sent = started[-1]
    return Answer(int(status[:3]), {name.lower(): value for name, value in sent}, b"".join(parts), len(parts))
