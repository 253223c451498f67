"""One node of an application that signs people in elsewhere: `bff_node.py CONFIG`, on the port that it names."""

import json
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from admit.client import AuthorizationServer, ClientRegistration, ClientSecret
from admit.integrations.bff.starlette import routes
from admit.relying_party import Api, Bff, Provider, RedisSessionStore


async def echo(websocket: WebSocket) -> None:
    """The API, in the same process."""
    await websocket.accept()
    await websocket.send_text(websocket.headers["authorization"])
    async for text in websocket.iter_text():
        await websocket.send_text(text)


def application(config: dict[str, Any]) -> Starlette:
    """Behind one address with its other nodes."""
    me = ClientRegistration(AuthorizationServer(config["provider"]), "app", ClientSecret("not-to-be-guessed"))
    here = f"http://127.0.0.1:{config['port']}"
    bff = Bff(
        config["address"],
        providers=[Provider("id", me)],
        apis=[
            Api("orders", f"{config['provider']}/v1", audience="https://api.example.com"),
            Api("live", here, websockets=True),
        ],
        store=RedisSessionStore(config["redis"]),
    )
    return Starlette(routes=[*routes(bff), WebSocketRoute("/echo", echo)])


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    uvicorn.run(application(given), host="127.0.0.1", port=given["port"], log_level="warning")
