"""The orders API as a plain ASGI application, without a framework.

python examples/demo/api/asgi_orders.py .demo/api.json
"""

import json
from asyncio import to_thread
from typing import Any

from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings
from serving import serve_asgi
from starlette.middleware.cors import CORSMiddleware  # plain ASGI too; it stands around anything

from admit.integrations.asgi import PRINCIPAL, Guard

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()
guard = Guard(verifier, sessions=settings.sessions(), origins=settings.pages)


async def mine(scope: Any, receive: Any, send: Any) -> None:
    """What you ordered."""
    await answer(send, 200, await to_thread(orders.of, scope[PRINCIPAL]))


async def place(scope: Any, receive: Any, send: Any) -> None:
    """Order a ticket stub."""
    await to_thread(orders.place, scope[PRINCIPAL])
    await answer(send, 201)


async def cancel(scope: Any, receive: Any, send: Any) -> None:
    """Money goes back: a password alone will not do. Who signed in with less is told what is wanted, RFC 9470 §3."""
    number = scope["path"].rpartition("/")[2]
    done = number.isdecimal() and await to_thread(orders.cancel, scope[PRINCIPAL], int(number))
    await answer(send, 204 if done else 404)


async def everybodys(scope: Any, receive: Any, send: Any) -> None:
    """What everybody ordered."""
    await answer(send, 200, await to_thread(orders.all))


async def health(scope: Any, receive: Any, send: Any) -> None:
    """Whether it has the issuer's keys."""
    await answer(send, 200, {"ready": verifier.ready()})


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """There is no such page."""
    await answer(send, 404)


async def answer(send: Any, status: int, value: Any = None) -> None:
    """Send a value as JSON, or nothing."""
    body = b"" if value is None else json.dumps(value).encode()
    headers = [(b"content-type", b"application/json")] if body else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


GUARDED: dict[tuple[str, str], Any] = {
    ("GET", "/api/orders/mine"): guard(mine, "orders:own"),
    ("POST", "/api/orders/mine"): guard(place, "orders:own"),
    ("DELETE", "/api/orders/mine/"): guard(cancel, "orders:own", acr=TWO_FACTORS),
    ("GET", "/api/orders"): guard(everybodys, "orders:read", role="admin"),
    ("GET", "/health"): health,
}


async def route(scope: Any, receive: Any, send: Any) -> None:
    """Find who answers."""
    if scope["type"] != "http":
        return  # it keeps nothing between its start and its end, and speaks no WebSocket
    path = scope["path"].rstrip("0123456789")
    await GUARDED.get((scope["method"], path), nothing)(scope, receive, send)


# Outside of every guard: a preflight carries no credential, and a page may read a refusal too.
app = CORSMiddleware(
    route,
    allow_origins=settings.pages,
    allow_credentials=True,
    allow_methods=METHODS,
    allow_headers=SENT,
    expose_headers=TOLD,
)

if __name__ == "__main__":
    serve_asgi(app, settings)
