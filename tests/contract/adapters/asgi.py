"""Plain ASGI: applications that are wrapped, each under a path."""

from datetime import timedelta
from typing import Any

from admit.integrations.asgi import PRINCIPAL, Guard
from tests.contract import asgi
from tests.contract.adapter import Adapter, Request, Service, Setting, json_of
from tests.contract.services import ACR_2FA, Answer


def build(setting: Setting) -> Service:
    guard = Guard(setting.issuer.verifier, **setting.options)

    async def known(scope: Any, receive: Any, send: Any) -> None:
        body = json_of(setting.shown(scope[PRINCIPAL]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            part = setting.told(scope[PRINCIPAL])
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json_of(setting.shown(scope[PRINCIPAL])).decode()})
        await send({"type": "websocket.close", "code": 1000})

    async def changing(scope: Any, receive: Any, send: Any) -> None:
        asgi.changed(scope)
        await guard(known)(scope, receive, send)

    paths: dict[str, Any] = {
        "/any": guard(known),
        "/read": guard(known, "orders:read"),
        "/admin": guard(known, "orders:read", role="admin"),
        "/staff": guard(known, group="staff"),
        "/open": guard.optional(known),
        "/fresh": guard(known, max_age=timedelta(minutes=1)),
        "/strong": guard(known, acr=ACR_2FA),
        "/change": guard(known),
        "/changed": guard.optional(changing),
        "/options": guard(known),
        "/twice": guard(guard(known, "orders:read")),
        "/stream": guard(stream),
        "/socket": guard(socket, "orders:read"),
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await paths[scope["path"]](scope, receive, send)

    served = asgi.waived(app, setting.waived)

    def ask(request: Request) -> Answer:
        return setting.run(asgi.ask(served, request))  # type: ignore[no-any-return]  # what the coroutine gives

    return ask


ADAPTER = Adapter("ASGI", build)
