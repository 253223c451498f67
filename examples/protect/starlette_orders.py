"""Orders behind Admit: a Starlette application in one file.

python starlette_orders.py              http://localhost:8001/orders
"""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from admit import TrustedIssuer, Verifier
from admit.integrations.starlette import Guard

API = os.environ.get("API", "http://localhost:8001")

guard = Guard(Verifier(TrustedIssuer(os.environ.get("ISSUER", "http://localhost:8410"), audience=API)))

ORDERS = ["tea"]


@guard.requires("orders:read")
async def orders(request: Request) -> Response:
    """What was ordered."""
    return JSONResponse({"for": guard.principal(request).client_id, "orders": ORDERS})


@guard.requires("orders:read", "orders:write")
def place(request: Request) -> Response:
    """Order something."""
    ORDERS.append(request.path_params["what"])
    return JSONResponse({"orders": ORDERS}, 201)


app = Starlette(routes=[Route("/orders", orders), Route("/orders/{what}", place, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=int(API.rpartition(":")[2]))
