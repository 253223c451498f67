"""Plain WSGI: applications that are wrapped, each under a path."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from admit.integrations.wsgi import PRINCIPAL, Guard
from tests.contract import wsgi
from tests.contract.adapter import Adapter, Request, Service, Setting, json_of
from tests.contract.services import ACR_2FA, Answer

Start = Callable[..., Any]


def build(setting: Setting) -> Service:
    guard = Guard(setting.issuer.verifier, **setting.options)

    def known(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        body = json_of(setting.shown(environ[PRINCIPAL]))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def change(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        assert environ["REQUEST_METHOD"] == "POST"
        return known(environ, start)

    def stream(environ: dict[str, Any], start: Start) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        for _ in range(3):
            yield setting.told(environ[PRINCIPAL])

    def changing(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        wsgi.changed(environ)
        return guard(known)(environ, start)

    paths: dict[str, Any] = {
        "/any": guard(known),
        "/read": guard(known, "orders:read"),
        "/admin": guard(known, "orders:read", role="admin"),
        "/staff": guard(known, group="staff"),
        "/open": guard.optional(known),
        "/fresh": guard(known, max_age=timedelta(minutes=1)),
        "/strong": guard(known, acr=ACR_2FA),
        "/change": guard(change),
        "/changed": guard.optional(changing),
        "/options": guard(known),
        "/twice": guard(guard(known, "orders:read")),
        "/stream": guard(stream),
    }

    def app(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        found: Iterable[bytes] = paths[environ["PATH_INFO"]](environ, start)
        return found

    served = wsgi.waived(app, setting.waived)

    def ask(request: Request) -> Answer:
        return wsgi.call(served, request.path, request.headers, request.method)

    return ask


ADAPTER = Adapter("WSGI", build, {"websocket": "WSGI has none", "cookie lines": wsgi.JOINED})
