"""The orders API: a resource server that knows nothing of passwords, cookies' meaning or keys. `pip install admit`.

It lets the same principal in by bearer token (checked here, nobody is asked) and by session cookie (the issuer is
asked). Each answer tells in `X-Demo-Calls` which calls really left this process for it, and in `X-Demo-Carried` how
many octets of credential the request carried; other cookies of this host are not counted.

    python examples/demo/orders_api.py .demo/api.json
"""

import json
import sqlite3
import sys
import time
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admit import Principal, Revocation, TrustedIssuer, Verifier
from admit.credentials.cookies import session_cookie_name
from admit.integrations.fastapi import Guard
from admit.verifier import Found, RemoteLookup, SessionLookup

CALLS: ContextVar[list[str]] = ContextVar("calls")
TWO_FACTORS = "urn:admit:acr:2fa"


class CountedLookup:
    """A session look-up that notes each call it passes on."""

    def __init__(self, inner: SessionLookup) -> None:
        self._inner = inner

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        CALLS.get().append("look-up")
        return await self._inner.find(id_hash, audience, now)


class Orders:
    """The orders' own database: the call that every way of signing in still has to make."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS orders"
            " (id INTEGER PRIMARY KEY, issuer TEXT, subject TEXT, customer TEXT, item TEXT, placed_at REAL)"
        )

    def of(self, who: Principal) -> list[dict[str, Any]]:
        return self._rows("WHERE issuer = ? AND subject = ?", tuple(who.key))

    def all(self) -> list[dict[str, Any]]:
        return self._rows("", ())

    def place(self, who: Principal, item: str) -> None:
        # A session's principal has a name, an access token only an id: then the name of an earlier order stands.
        CALLS.get().append("orders")
        self._db.execute(
            "INSERT INTO orders (issuer, subject, customer, item, placed_at) VALUES (?1, ?2,"
            " coalesce(?3, (SELECT customer FROM orders WHERE issuer = ?1 AND subject = ?2 LIMIT 1), ?2), ?4, ?5)",
            (who.issuer, who.subject, who.claims.get("name"), item, time.time()),
        )

    def cancel(self, who: Principal, number: int) -> bool:
        CALLS.get().append("orders")
        done = self._db.execute(
            "DELETE FROM orders WHERE id = ? AND issuer = ? AND subject = ?", (number, *who.key)
        )
        return done.rowcount > 0

    def _rows(self, where: str, values: tuple[str, ...]) -> list[dict[str, Any]]:
        CALLS.get().append("orders")
        rows = self._db.execute(
            f"SELECT id, customer, item FROM orders {where} ORDER BY id DESC LIMIT 50", values
        )  # `where` is one of the two constants above
        return [{"id": number, "customer": customer, "item": item} for number, customer, item in rows]


class TellCalls:
    """Adds what the page shows to each answer."""

    def __init__(self, app: ASGIApp, cookie: str) -> None:
        self._app = app
        self._cookie = cookie.encode() + b"="

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        calls: list[str] = []
        CALLS.set(calls)
        carried = sum(map(self._credential, scope["headers"]))

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-demo-calls", ", ".join(calls).encode()),
                    (b"x-demo-carried", str(carried).encode()),
                ]
            await send(message)

        await self._app(scope, receive, tell)

    def _credential(self, header: tuple[bytes, bytes]) -> int:
        """How many octets of this header say who asks."""
        name, value = header
        if name == b"authorization":
            return len(value)
        pairs = value.split(b"; ") if name == b"cookie" else []
        return sum(len(pair) for pair in pairs if pair.startswith(self._cookie))


def build(config: dict[str, Any]) -> FastAPI:
    """The application: one verifier, one guard, four routes."""
    # A revoked token is refused within 30 s, which is enforced, and usually within the 5 s between two questions.
    revocation = Revocation(poll=timedelta(seconds=config["poll"]))
    verifier = Verifier(TrustedIssuer(config["issuer"], audience=config["resource"], revocation=revocation))
    # Kept for no time at all, so that the page shows each look-up; without this line one is kept for 30 s.
    lookup = RemoteLookup(config["issuer"], config["resource"], config["secret"], cache=timedelta(0))
    guard = Guard(verifier, sessions=CountedLookup(lookup), origins=set(config["pages"]))
    orders = Orders(config["database"])
    app = FastAPI(title="Orders")
    guard.document(app)

    @app.get("/api/orders/mine")
    async def mine(who: Annotated[Principal, guard("orders:own")]) -> list[dict[str, Any]]:
        return orders.of(who)

    @app.post("/api/orders/mine", status_code=201)
    async def place(who: Annotated[Principal, guard("orders:own")], request: Request) -> Response:
        orders.place(who, "A ticket stub, framed")
        return Response(status_code=201)

    # Money goes back: a password alone will not do. Who signed in with less is told what is wanted, RFC 9470 §3.
    @app.delete("/api/orders/mine/{number}", status_code=204)
    async def cancel(
        who: Annotated[Principal, guard("orders:own", acr=TWO_FACTORS)], number: int
    ) -> Response:
        return Response(status_code=204 if orders.cancel(who, number) else 404)

    @app.get("/api/orders")
    async def everybodys(
        who: Annotated[Principal, guard("orders:read", role="admin")],
    ) -> list[dict[str, Any]]:
        return orders.all()

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ready": verifier.ready()}

    app.add_middleware(TellCalls, cookie=session_cookie_name(config["issuer"], dev=True))
    app.add_middleware(
        CORSMiddleware,
        allow_origins=config["pages"],
        allow_credentials=True,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "X-CSRF-Token"],
        expose_headers=["X-Demo-Calls", "X-Demo-Carried", "WWW-Authenticate", "Retry-After"],
    )
    return app


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    uvicorn.run(
        build(settings), host="127.0.0.1", port=settings["port"], access_log=False, log_level="warning"
    )
