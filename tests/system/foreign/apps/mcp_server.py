"""An MCP server of one tool, which takes tokens of the issuer and no others: the SDK's server with Admit's verifier."""

import json
import sys
from datetime import timedelta
from pathlib import Path

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from admit.errors import TokenError
from admit.verifier import AsyncVerifier, Revocation, TrustedIssuer

GIVEN = json.loads(Path(sys.argv[1]).read_text("utf-8"))


class AdmitTokens(TokenVerifier):
    """What the SDK asks of whoever knows tokens. Not to know whether one was revoked is a fault, and no refusal."""

    def __init__(self, verifier: AsyncVerifier) -> None:
        self._verifier = verifier

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            who = await self._verifier.verify(token)
        except TokenError:
            return None
        return AccessToken(
            token=token,
            client_id=who.client_id,
            scopes=sorted(who.scopes),
            expires_at=None if who.expires_at is None else int(who.expires_at),
            resource=GIVEN["resource"],
            subject=who.subject,
        )


verifier = AsyncVerifier(
    TrustedIssuer(
        GIVEN["issuer"],
        audience=GIVEN["resource"],
        revocation=Revocation(max_staleness=timedelta(seconds=3), poll=timedelta(seconds=1)),
    )
)
server = MCPServer(
    "tools",
    token_verifier=AdmitTokens(verifier),
    auth=AuthSettings(
        issuer_url=GIVEN["issuer"],
        resource_server_url=GIVEN["resource"],
        required_scopes=["tools:use"],
        validate_token_resource=True,
    ),
)


@server.tool()
def whoami() -> str:
    """Tells who calls."""
    token = get_access_token()
    assert token is not None
    assert token.subject is not None
    return token.subject


@server.custom_route("/health", methods=["GET"])
async def health(request: Request) -> Response:
    return JSONResponse({"ready": True})


if __name__ == "__main__":
    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=GIVEN["port"], log_level="warning")
