"""Orders behind Admit: an ASGI application in one file, and no framework.

python asgi_orders.py                   http://localhost:8001/orders
"""

import json
import os
from typing import Any

import uvicorn

from admit import TrustedIssuer, Verifier
from admit.integrations.asgi import PRINCIPAL, Guard

API = os.environ.get("API", "http://localhost:8001")

guard = Guard(Verifier(TrustedIssuer(os.environ.get("ISSUER", "http://localhost:8410"), audience=API)))

ORDERS = ["tea"]


async def orders(scope: Any, receive: Any, send: Any) -> None:
    """What was ordered."""
    await answer(send, 200, {"for": scope[PRINCIPAL].client_id, "orders": ORDERS})


async def place(scope: Any, receive: Any, send: Any) -> None:
    """Order something."""
    ORDERS.append(scope["path"].removeprefix("/orders/"))
    await answer(send, 201, {"orders": ORDERS})


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """There is no such page."""
    await answer(send, 404, {})


async def answer(send: Any, status: int, value: Any) -> None:
    """Send a value as JSON."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


GUARDED = {"GET": guard(orders, "orders:read"), "POST": guard(place, "orders:read", "orders:write")}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The whole application."""
    if scope["type"] != "http":
        return  # it keeps nothing between its start and its end, and speaks no WebSocket
    known = scope["path"].startswith("/orders")
    await (GUARDED.get(scope["method"], nothing) if known else nothing)(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=int(API.rpartition(":")[2]), lifespan="off")
