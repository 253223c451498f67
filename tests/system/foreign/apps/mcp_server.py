"""An MCP server of two tools, which takes tokens of the issuer and no others, guarded in one of Admit's ways."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn

from admit.integrations.mcp import AdmitTokens, Guard, principal
from admit.verifier import AsyncVerifier, Revocation, TrustedIssuer

GIVEN = json.loads(Path(sys.argv[1]).read_text("utf-8"))
SCOPES = ["tools:use"]


def whoami() -> str:
    """Tells who calls."""
    return principal().subject


def drop() -> str:
    """Needs one scope more."""
    return principal("tools:drop").subject


def guarded(verifier: AsyncVerifier) -> Any:
    """The SDK's server behind the guard."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("tools")
    server.tool()(whoami)
    server.tool()(drop)
    return Guard(verifier, resource=GIVEN["resource"], scopes=SCOPES)(server.streamable_http_app())


def fastmcp(verifier: AsyncVerifier) -> Any:
    """FastMCP's server behind the guard."""
    from fastmcp import FastMCP

    server: Any = FastMCP("tools")
    server.tool(whoami)
    server.tool(drop)
    return Guard(verifier, resource=GIVEN["resource"], scopes=SCOPES)(server.http_app())


def sdk_tokens(verifier: AsyncVerifier) -> Any:
    """The SDK's server, which guards itself and asks Admit about tokens."""
    from mcp.server.mcpserver import MCPServer

    tokens = AdmitTokens(verifier, resource=GIVEN["resource"], scopes=SCOPES)
    server = MCPServer("tools", token_verifier=tokens, auth=tokens.settings())
    server.tool()(whoami)
    return server.streamable_http_app()


def fastmcp_tokens(verifier: AsyncVerifier) -> Any:
    """FastMCP's server, which guards itself and asks Admit about tokens."""
    from fastmcp import FastMCP
    from fastmcp.server.auth import RemoteAuthProvider

    tokens: Any = AdmitTokens(verifier, resource=GIVEN["resource"], scopes=SCOPES)
    base = GIVEN["resource"].removesuffix("/mcp")
    server: Any = FastMCP(
        "tools", auth=RemoteAuthProvider(tokens, tokens.authorization_servers, base_url=base)
    )
    server.tool(whoami)
    return server.http_app()


WAYS = {"guard": guarded, "fastmcp": fastmcp, "sdk tokens": sdk_tokens, "fastmcp tokens": fastmcp_tokens}

if __name__ == "__main__":
    trusted = TrustedIssuer(
        GIVEN["issuer"],
        audience=GIVEN["resource"],
        revocation=Revocation(max_staleness=timedelta(seconds=3), poll=timedelta(seconds=1)),
    )
    app = WAYS[GIVEN["way"]](AsyncVerifier(trusted))
    uvicorn.run(app, host="127.0.0.1", port=GIVEN["port"], log_level="warning")
