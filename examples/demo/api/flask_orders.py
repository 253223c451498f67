"""The orders API in Flask.

python examples/demo/api/flask_orders.py .demo/api.json
"""

from typing import Any

from flask import Flask
from flask_cors import CORS
from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings
from serving import serve_wsgi

from admit.integrations.flask import Guard

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()
guard = Guard(verifier, sessions=settings.sessions(), origins=settings.pages)

app = Flask("orders")
# Flask answers a preflight before it comes to a view and its guard; Flask-CORS adds its headers to every answer, so a
# page may read a refusal too.
CORS(
    app,
    origins=settings.pages,
    supports_credentials=True,
    methods=METHODS,
    allow_headers=SENT,
    expose_headers=TOLD,
)


@app.get("/api/orders/mine")
@guard("orders:own")
def mine() -> list[dict[str, Any]]:
    """What you ordered."""
    return orders.of(guard.principal)


@app.post("/api/orders/mine")
@guard("orders:own")
def place() -> tuple[str, int]:
    """Order a ticket stub."""
    orders.place(guard.principal)
    return "", 201


@app.delete("/api/orders/mine/<int:number>")
@guard("orders:own", acr=TWO_FACTORS)
def cancel(number: int) -> tuple[str, int]:
    """Money goes back: a password alone will not do. Who signed in with less is told what is wanted, RFC 9470 §3."""
    return "", 204 if orders.cancel(guard.principal, number) else 404


@app.get("/api/orders")
@guard("orders:read", role="admin")
def everybodys() -> list[dict[str, Any]]:
    """What everybody ordered."""
    return orders.all()


@app.get("/health")
def health() -> dict[str, bool]:
    """Whether it has the issuer's keys."""
    return {"ready": verifier.ready()}


if __name__ == "__main__":
    serve_wsgi(app, settings)
