"""Orders behind Admit: a FastAPI application in one file.

python fastapi_orders.py                http://localhost:8001/orders
"""

import os
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI

from admit import Principal, TrustedIssuer, Verifier
from admit.integrations.fastapi import Guard

API = os.environ.get("API", "http://localhost:8001")

guard = Guard(Verifier(TrustedIssuer(os.environ.get("ISSUER", "http://localhost:8410"), audience=API)))
app = FastAPI(title="Orders")
guard.document(app)

ORDERS = ["tea"]


@app.get("/orders")
async def orders(who: Annotated[Principal, guard("orders:read")]) -> dict[str, Any]:
    """What was ordered."""
    return {"for": who.client_id, "orders": ORDERS}


@app.post("/orders/{what}", status_code=201, dependencies=[guard("orders:read", "orders:write")])
def place(what: str) -> dict[str, Any]:
    """Order something."""
    ORDERS.append(what)
    return {"orders": ORDERS}


if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=int(API.rpartition(":")[2]))
