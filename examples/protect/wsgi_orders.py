"""Orders behind Admit: a WSGI application in one file, and no framework.

python wsgi_orders.py                   http://localhost:8001/orders
"""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import make_server

from admit import TrustedIssuer, Verifier
from admit.integrations.wsgi import PRINCIPAL, Guard

API = os.environ.get("API", "http://localhost:8001")

guard = Guard(Verifier(TrustedIssuer(os.environ.get("ISSUER", "http://localhost:8410"), audience=API)))

ORDERS = ["tea"]
Environ = dict[str, Any]
Start = Callable[..., Any]


def orders(environ: Environ, start: Start) -> Iterable[bytes]:
    """What was ordered."""
    return answer(start, "200 OK", {"for": environ[PRINCIPAL].client_id, "orders": ORDERS})


def place(environ: Environ, start: Start) -> Iterable[bytes]:
    """Order something."""
    ORDERS.append(environ["PATH_INFO"].removeprefix("/orders/"))
    return answer(start, "201 Created", {"orders": ORDERS})


def nothing(environ: Environ, start: Start) -> Iterable[bytes]:
    """There is no such page."""
    return answer(start, "404 Not Found", {})


def answer(start: Start, status: str, value: Any) -> Iterable[bytes]:
    """Send a value as JSON."""
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


GUARDED = {"GET": guard(orders, "orders:read"), "POST": guard(place, "orders:read", "orders:write")}


def app(environ: Environ, start: Start) -> Iterable[bytes]:
    """The whole application."""
    known = environ["PATH_INFO"].startswith("/orders")
    return (GUARDED.get(environ["REQUEST_METHOD"], nothing) if known else nothing)(environ, start)


if __name__ == "__main__":
    make_server("localhost", int(API.rpartition(":")[2]), app).serve_forever()
