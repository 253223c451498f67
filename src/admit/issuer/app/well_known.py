"""The metadata documents at the root of the host, for an issuer with a path: RFC 8414 §3.1."""

from typing import Any
from urllib.parse import urlsplit

from starlette.routing import Route
from starlette.types import ASGIApp

from admit.issuer.app.routes import metadata


def well_known_routes(asgi: ASGIApp, issuer: str) -> list[Route]:
    """A route for each document, which the issuer's application answers."""
    path = urlsplit(issuer).path
    return [Route(known + path, _AsIs(asgi, known)) for known in metadata.PATHS]


class _AsIs:
    """The issuer's application under another path, with that path told as its own."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(
            {**scope, "path": self._path, "raw_path": self._path.encode(), "root_path": ""}, receive, send
        )
