"""Serves the sample single-page app: static files, and a `config.json` that says where everything is.

python examples/demo/spa_server.py .demo/spa.json
"""

import json
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = Path(__file__).parent / "spa"
CLIENT = Path(__file__).parents[1] / "spa" / "client.js"


class Headers:
    """No inline script, no frames, and only the addresses of the demo to talk to."""

    def __init__(self, app: ASGIApp, connect: str) -> None:
        self._app = app
        sources = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
        policy = f"{sources}; connect-src 'self' {connect}"
        self._headers = [
            (b"content-security-policy", f"{policy}; base-uri 'none'; frame-ancestors 'none'".encode()),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-cache"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)


def build(config: dict[str, str]) -> Starlette:
    """The files, and the configuration that the page reads first."""

    async def configuration(request: Request) -> JSONResponse:
        return JSONResponse(config)

    async def client(request: Request) -> FileResponse:
        return FileResponse(CLIENT)

    connect = " ".join((config["issuer"], config["api"], config["other_site"]))
    return Starlette(
        routes=[
            Route("/config.json", configuration),
            Route("/client.js", client),
            Mount("/", StaticFiles(directory=FOLDER, html=True)),
        ],
        middleware=[Middleware(Headers, connect=connect)],
    )


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    uvicorn.run(
        build(settings["page"]),
        host="127.0.0.1",
        port=settings["port"],
        access_log=False,
        log_level="warning",
    )
