"""FastAPI: a dependency of each route."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, WebSocket
from fastapi import Request as Asked
from fastapi.responses import StreamingResponse

from admit.integrations.fastapi import Guard
from admit.principal import Principal
from tests.contract import asgi
from tests.contract.adapter import Adapter, Request, Service, Setting
from tests.contract.services import ACR_2FA, Answer


def build(setting: Setting) -> Service:
    guard = Guard(setting.issuer.verifier, **setting.options)
    app = FastAPI()

    @app.api_route("/any", methods=["GET", "HEAD"])
    async def any_(who: Annotated[Principal, guard()]) -> Any:
        return setting.shown(who)

    @app.get("/read")
    async def read(who: Annotated[Principal, guard("orders:read")]) -> Any:
        return setting.shown(who)

    @app.get("/admin")
    def admin(who: Annotated[Principal, guard("orders:read", role="admin")]) -> Any:
        return setting.shown(who)

    @app.get("/staff")
    async def staff(who: Annotated[Principal, guard(group="staff")]) -> Any:
        return setting.shown(who)

    @app.get("/open")
    async def open_(who: Annotated[Principal | None, guard.optional()]) -> Any:
        return setting.shown(who)

    @app.get("/fresh")
    async def fresh(who: Annotated[Principal, guard(max_age=timedelta(minutes=1))]) -> Any:
        return setting.shown(who)

    @app.get("/strong")
    async def strong(who: Annotated[Principal, guard(acr=ACR_2FA)]) -> Any:
        return setting.shown(who)

    @app.post("/change")
    async def change(who: Annotated[Principal, guard()]) -> Any:
        return setting.shown(who)

    async def changing(request: Asked) -> None:
        asgi.changed(request.scope)

    @app.get("/changed", dependencies=[guard.optional(), Depends(changing), guard()])
    async def changed(who: Annotated[Principal, guard()]) -> Any:
        return setting.shown(who)

    @app.api_route("/options", methods=["GET", "OPTIONS"])
    async def options(who: Annotated[Principal, guard()]) -> Any:
        return setting.shown(who)

    @app.get("/twice", dependencies=[guard()])
    async def twice(who: Annotated[Principal, guard("orders:read")]) -> Any:
        return setting.shown(who)

    @app.get("/stream")
    async def stream(who: Annotated[Principal, guard()]) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield setting.told(who)

        return StreamingResponse(parts())

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, who: Annotated[Principal, guard("orders:read")]) -> None:
        await websocket.accept()
        await websocket.send_json(setting.shown(who))
        await websocket.close()

    served = asgi.waived(app, setting.waived)

    def ask(request: Request) -> Answer:
        return setting.run(asgi.ask(served, request))  # type: ignore[no-any-return]  # what the coroutine gives

    return ask


ADAPTER = Adapter("FastAPI", build)
