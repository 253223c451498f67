"""The orders API in Starlette.

python examples/demo/api/starlette_orders.py .demo/api.json
"""

from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings
from serving import serve_asgi
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from admit.integrations.starlette import Guard

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()
guard = Guard(verifier, sessions=settings.sessions(), origins=settings.pages)


@guard.requires("orders:own")
def mine(request: Request) -> Response:
    """What you ordered."""
    return JSONResponse(orders.of(guard.principal(request)))


@guard.requires("orders:own")
def place(request: Request) -> Response:
    """Order a ticket stub."""
    orders.place(guard.principal(request))
    return Response(status_code=201)


@guard.requires("orders:own", acr=TWO_FACTORS)
def cancel(request: Request) -> Response:
    """Money goes back: a password alone will not do. Who signed in with less is told what is wanted, RFC 9470 §3."""
    done = orders.cancel(guard.principal(request), request.path_params["number"])
    return Response(status_code=204 if done else 404)


@guard.requires("orders:read", role="admin")
def everybodys(request: Request) -> Response:
    """What everybody ordered."""
    return JSONResponse(orders.all())


async def health(request: Request) -> Response:
    """Whether it has the issuer's keys."""
    return JSONResponse({"ready": verifier.ready()})


app = Starlette(
    routes=[
        Route("/api/orders/mine", mine),
        Route("/api/orders/mine", place, methods=["POST"]),
        Route("/api/orders/mine/{number:int}", cancel, methods=["DELETE"]),
        Route("/api/orders", everybodys),
        Route("/health", health),
    ],
    # Outside of every guard: a preflight carries no credential, and a page may read a refusal too.
    middleware=[
        Middleware(
            CORSMiddleware,
            allow_origins=settings.pages,
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=TOLD,
        )
    ],
)

if __name__ == "__main__":
    serve_asgi(app, settings)
