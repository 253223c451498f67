"""Typical uses of the guards, read by the type checker only: `make check` fails when their types change.

What FastAPI's guard makes is `Any`: it stands as a default of a `Principal`, and in lists of dependencies as well. So
`Annotated[Principal, guard.optional()]`, which is None for strangers, passes here; write `Principal | None`.
"""

from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Security
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from admit import Principal, TrustedIssuer, Verifier
from admit.integrations import fastapi, flask, starlette

verifier = Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com"))

# FastAPI
guard = fastapi.Guard(verifier)
api = FastAPI(dependencies=[guard.optional(), Security(guard, scopes=["orders:read"])])
assert_type(guard("orders:read"), Any)
assert_type(guard.optional(), Any)
guard("orders:read", roles="admin")  # type: ignore[call-overload]  # a misspelt keyword must not guard less


@api.get("/orders", dependencies=[guard("orders:read")])
async def orders(
    who: Annotated[Principal, guard("orders:read", role="admin")],
    same: Annotated[Principal, Depends(guard())],
    visitor: Annotated[Principal | None, guard.optional()],
) -> dict[str, Any]:
    """A route that shows its caller."""
    assert_type(who, Principal)
    assert_type(visitor, Principal | None)
    return assert_type(who.as_dict(), dict[str, Any])


# Starlette
here = starlette.Guard(verifier)


@here.requires("orders:read")
async def endpoint(request: Request) -> Response:
    """An endpoint; decorated it is what it was."""
    assert_type(here.principal(request), Principal)
    assert_type(here.visitor(request), Principal | None)
    return Response()


here("orders:read")  # type: ignore[arg-type]  # a guard of applications decorates no endpoint
starlette.GuardMiddleware(api, guard=verifier)  # type: ignore[arg-type]  # a verifier is no guard
site = Starlette(
    routes=[Route("/orders", endpoint), Mount("/api", here(api, "orders:read"))],
    middleware=[
        Middleware(starlette.GuardMiddleware, guard=here, scopes=["orders:read"]),
        Middleware(starlette.GuardMiddleware, guard=guard, optional=True),
    ],
)

# Flask
there = flask.Guard(verifier)
shop = Flask("shop")
there.protect(shop, "orders:read")


@shop.get("/orders")
@there("orders:read", role="admin")
def view() -> str:
    """A view; decorated it is what it was."""
    assert_type(there.principal, Principal)
    assert_type(there.visitor, Principal | None)
    return there.principal.subject


assert_type(view(), str)
