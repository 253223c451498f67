"""Protected resource metadata, RFC 9728: what it says, where it is, and the application that publishes it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from admit.credentials import cors
from admit.integrations.asgi import Receive, Scope, Send
from admit.integrations.mcp.server import _Server

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_MAX_AGE: Final = timedelta(minutes=5)


def metadata_url(resource: str) -> str:
    """Where a resource's metadata is: between its host and its path, RFC 9728 §3.1."""
    parts = urlsplit(resource)
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{path}{query}"


def metadata(
    server: _Server, *, name: str | None = None, documentation: str | None = None
) -> dict[str, str | list[str]]:
    """The metadata of a server, RFC 9728 §2; what has no value is left out, §3.2."""
    told: dict[str, str | list[str] | None] = {
        "resource": server.resource,
        "authorization_servers": server.authorization_servers,
        "scopes_supported": server.required_scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": name,
        "resource_documentation": documentation,
    }
    return {member: value for member, value in told.items() if value}


class Published:
    """Answers at `path` with the metadata: to everybody, and to pages of all origins."""

    def __init__(self, url: str, metadata: Mapping[str, str | list[str]]) -> None:
        self.path = unquote(urlsplit(url).path)
        self._body = msgspec.json.encode(metadata)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, shared = scope["method"], cors.CorsPolicy.EVERYBODY
        told = cors.verdict(scope["headers"], method, policy=shared, methods=("GET",), exposed=())
        status, headers, body = 200, list(told.headers), b""
        if told.preflight:
            status = 204
        elif method not in ("GET", "HEAD"):
            status, headers = 405, [*headers, ("Allow", "GET, HEAD, OPTIONS")]
        else:
            body = self._body
            headers += [
                ("Content-Type", "application/json"),
                ("Cache-Control", f"public, max-age={int(_MAX_AGE.total_seconds())}"),
            ]
        if status != 204:
            headers.append(("Content-Length", str(len(body))))
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
