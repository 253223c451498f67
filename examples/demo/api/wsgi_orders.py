"""The orders API as a plain WSGI application, without a framework.

python examples/demo/api/wsgi_orders.py .demo/api.json
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings
from serving import serve_wsgi

from admit.integrations.wsgi import PRINCIPAL, Guard

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()
guard = Guard(verifier, sessions=settings.sessions(), origins=settings.pages)

Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]


def mine(environ: Environ, start: Start) -> Iterable[bytes]:
    """What you ordered."""
    return answer(start, "200 OK", orders.of(environ[PRINCIPAL]))


def place(environ: Environ, start: Start) -> Iterable[bytes]:
    """Order a ticket stub."""
    orders.place(environ[PRINCIPAL])
    return answer(start, "201 Created")


def cancel(environ: Environ, start: Start) -> Iterable[bytes]:
    """Money goes back: a password alone will not do. Who signed in with less is told what is wanted, RFC 9470 §3."""
    number = environ["PATH_INFO"].rpartition("/")[2]
    done = number.isdecimal() and orders.cancel(environ[PRINCIPAL], int(number))
    return answer(start, "204 No Content" if done else "404 Not Found")


def everybodys(environ: Environ, start: Start) -> Iterable[bytes]:
    """What everybody ordered."""
    return answer(start, "200 OK", orders.all())


def health(environ: Environ, start: Start) -> Iterable[bytes]:
    """Whether it has the issuer's keys."""
    return answer(start, "200 OK", {"ready": verifier.ready()})


def nothing(environ: Environ, start: Start) -> Iterable[bytes]:
    """There is no such page."""
    return answer(start, "404 Not Found")


def answer(start: Start, status: str, value: Any = None) -> Iterable[bytes]:
    """Send a value as JSON, or nothing."""
    body = b"" if value is None else json.dumps(value).encode()
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))] if body else [])
    return [body]


GUARDED: dict[tuple[str, str], App] = {
    ("GET", "/api/orders/mine"): guard(mine, "orders:own"),
    ("POST", "/api/orders/mine"): guard(place, "orders:own"),
    ("DELETE", "/api/orders/mine/"): guard(cancel, "orders:own", acr=TWO_FACTORS),
    ("GET", "/api/orders"): guard(everybodys, "orders:read", role="admin"),
    ("GET", "/health"): health,
}


def route(environ: Environ, start: Start) -> Iterable[bytes]:
    """Find who answers."""
    path = environ["PATH_INFO"].rstrip("0123456789")
    return GUARDED.get((environ["REQUEST_METHOD"], path), nothing)(environ, start)


def app(environ: Environ, start: Start) -> Iterable[bytes]:
    """CORS. Outside of every guard: a preflight carries no credential, and a page may read a refusal too."""
    origin = environ.get("HTTP_ORIGIN")
    granted = [("Vary", "Origin")]
    if origin in settings.pages:
        granted += [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
    if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
        granted += [("Access-Control-Allow-Methods", ", ".join(METHODS))]
        granted += [("Access-Control-Allow-Headers", ", ".join(SENT))]
        start("204 No Content", granted)
        return []

    def told(status: str, headers: list[tuple[str, str]], *failed: Any) -> Any:
        exposed = ("Access-Control-Expose-Headers", ", ".join(TOLD))
        return start(status, [*headers, *granted, exposed], *failed)

    return route(environ, told)


if __name__ == "__main__":
    serve_wsgi(app, settings)
