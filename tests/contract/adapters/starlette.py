"""Starlette: a decorator of each endpoint; `/any` by a middleware, `/options` as a class that is wrapped."""

from collections.abc import AsyncIterator
from datetime import timedelta

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from admit.integrations.starlette import Guard, GuardMiddleware
from tests.contract import asgi
from tests.contract.adapter import Adapter, Request, Service, Setting
from tests.contract.services import ACR_2FA, Answer


def build(setting: Setting) -> Service:
    guard = Guard(setting.issuer.verifier, **setting.options)

    async def known(request: Asked) -> Response:
        return JSONResponse(setting.shown(guard.principal(request)))

    def threaded(request: Asked) -> Response:
        return JSONResponse(setting.shown(guard.principal(request)))

    @guard.welcomes()
    async def open_(request: Asked) -> Response:
        return JSONResponse(setting.shown(guard.visitor(request)))

    class Options(HTTPEndpoint):
        async def get(self, request: Asked) -> Response:
            return await known(request)

        async def options(self, request: Asked) -> Response:
            return await known(request)

    class Change(HTTPEndpoint):
        @guard.requires()
        async def post(self, request: Asked) -> Response:
            return await known(request)

    @guard.welcomes()
    async def changed(request: Asked) -> Response:
        asgi.changed(request.scope)
        return await guard.requires()(known)(request)  # type: ignore[no-any-return]  # what the endpoint gives

    @guard.requires()
    async def stream(request: Asked) -> Response:
        who = guard.principal(request)

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield setting.told(who)

        return StreamingResponse(parts())

    @guard.requires("orders:read")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(setting.shown(guard.principal(websocket)))
        await websocket.close()

    app = Starlette(
        routes=[
            Route("/read", guard.requires("orders:read")(threaded)),
            Route("/admin", guard.requires("orders:read", role="admin")(known)),
            Route("/staff", guard.requires(group="staff")(known)),
            Route("/open", open_),
            Route("/fresh", guard.requires(max_age=timedelta(minutes=1))(known)),
            Route("/strong", guard.requires(acr=ACR_2FA)(known)),
            Route("/change", Change),
            Route("/changed", changed),
            Route("/options", guard(Options)),
            Route("/twice", guard.requires()(guard.requires("orders:read")(known))),
            Route("/stream", stream),
            WebSocketRoute("/socket", socket),
            Mount("/", routes=[Route("/any", known)], middleware=[Middleware(GuardMiddleware, guard=guard)]),
        ]
    )

    served = asgi.waived(app, setting.waived)

    def ask(request: Request) -> Answer:
        return setting.run(asgi.ask(served, request))  # type: ignore[no-any-return]  # what the coroutine gives

    return ask


ADAPTER = Adapter("Starlette", build)
