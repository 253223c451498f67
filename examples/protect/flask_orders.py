"""Orders behind Admit: a Flask application in one file.

python flask_orders.py                  http://localhost:8001/orders
"""

import os
from typing import Any

from flask import Flask

from admit import TrustedIssuer, Verifier
from admit.integrations.flask import Guard

API = os.environ.get("API", "http://localhost:8001")

guard = Guard(Verifier(TrustedIssuer(os.environ.get("ISSUER", "http://localhost:8410"), audience=API)))
app = Flask("orders")

ORDERS = ["tea"]


@app.get("/orders")
@guard("orders:read")
def orders() -> dict[str, Any]:
    """What was ordered."""
    return {"for": guard.principal.client_id, "orders": ORDERS}


@app.post("/orders/<what>")
@guard("orders:read", "orders:write")
def place(what: str) -> tuple[dict[str, Any], int]:
    """Order something."""
    ORDERS.append(what)
    return {"orders": ORDERS}, 201


if __name__ == "__main__":
    app.run("localhost", int(API.rpartition(":")[2]))
