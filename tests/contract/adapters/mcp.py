"""MCP: the guard around a server, for those who have all its scopes. The SDK's own server is in `test_mcp`."""

from typing import Any

from tests.contract import asgi
from tests.contract.adapter import Adapter, Request, Service, Setting, json_of
from tests.contract.services import API, Answer

ONE_GUARD = (
    "a server asks scopes of all its callers; more than that is asked by a tool, and told as its error"
)


def build(setting: Setting) -> Service:
    from admit.integrations.mcp import Guard, principal  # the SDK takes two seconds to import

    options = {name: value for name, value in setting.options.items() if name != "origins"}
    verifier = setting.issuer.verifier
    guard = Guard(verifier, resource=API, **options)
    reading = Guard(verifier, resource=API, scopes=["orders:read"], **options)

    async def known(scope: Any, receive: Any, send: Any) -> None:
        body = json_of(setting.shown(principal()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": setting.told(principal()), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    paths: dict[str, Any] = {
        "/any": guard(known),
        "/read": reading(known),
        "/change": guard(known),
        "/options": guard(known),
        "/twice": reading(reading(known)),
        "/stream": guard(stream),
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await paths[scope["path"]](scope, receive, send)

    def ask(request: Request) -> Answer:
        return setting.run(asgi.ask(app, request))  # type: ignore[no-any-return]  # what the coroutine gives

    return ask


ADAPTER = Adapter(
    "MCP",
    build,
    {
        "session": "its clients are programs, which have no cookies of a person's",
        "token_cookie": "as above",
        "waived": "its specification forbids tokens in URLs",
        "websocket": "its transports are HTTP and events",
        "/admin": ONE_GUARD,
        "/staff": ONE_GUARD,
        "/fresh": ONE_GUARD,
        "/strong": ONE_GUARD,
        "/open": "what needs no token stands beside the guarded server",
        "/changed": "it has one guard, and no strangers",
    },
    adds='resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"',
    elsewhere="tests/unit/integrations/test_mcp.py",
)
