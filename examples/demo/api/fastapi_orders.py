"""The orders API in FastAPI: a resource server that knows nothing of passwords, cookies' meaning or keys.

It lets the same principal in by bearer token (checked here, nobody is asked) and by session cookie (the issuer is
asked).

    python examples/demo/api/fastapi_orders.py .demo/api.json
"""

from typing import Annotated, Any

from docs_page import own_docs, serve_docs
from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings
from serving import serve_asgi

from admit import Principal
from admit.integrations.fastapi import Guard

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()
guard = Guard(verifier, sessions=settings.sessions(), origins=settings.pages)

app = FastAPI(title="Orders", **own_docs())
words = {"orders:own": "See and place your own orders", "orders:read": "See everybody's orders"}
guard.document(app, client_id="demo-docs", scopes=words)  # people sign in on /docs
serve_docs(app)
# Outside of every guard: a preflight carries no credential, and a page may read a refusal too.
app.add_middleware(
    CORSMiddleware,
    allow_origins=settings.pages,
    allow_credentials=True,
    allow_methods=METHODS,
    allow_headers=SENT,
    expose_headers=TOLD,
)


@app.get("/api/orders/mine")
def mine(who: Annotated[Principal, guard("orders:own")]) -> list[dict[str, Any]]:
    """What you ordered."""
    return orders.of(who)


@app.post("/api/orders/mine", status_code=201)
def place(who: Annotated[Principal, guard("orders:own")]) -> None:
    """Order a ticket stub."""
    orders.place(who)


@app.delete("/api/orders/mine/{number}", status_code=204)
def cancel(who: Annotated[Principal, guard("orders:own", acr=TWO_FACTORS)], number: int) -> Response:
    """Money goes back: a password alone will not do. Who signed in with less is told what is wanted, RFC 9470 §3."""
    return Response(status_code=204 if orders.cancel(who, number) else 404)


@app.get("/api/orders", dependencies=[guard("orders:read", role="admin")])
def everybodys() -> list[dict[str, Any]]:
    """What everybody ordered."""
    return orders.all()


@app.get("/health")
def health() -> dict[str, bool]:
    """Whether it has the issuer's keys."""
    return {"ready": verifier.ready()}


if __name__ == "__main__":
    serve_asgi(app, settings)
