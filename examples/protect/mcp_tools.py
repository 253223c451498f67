"""Tools behind Admit: an MCP server in one file.

python mcp_tools.py                     http://localhost:8001/mcp
"""

import os

import uvicorn
from mcp.server.mcpserver import MCPServer

from admit.integrations.mcp import Guard, principal
from admit.verifier import AsyncVerifier, TrustedIssuer

ISSUER = os.environ.get("ISSUER", "http://localhost:8410")
RESOURCE = os.environ.get("RESOURCE", "http://localhost:8001/mcp")

server = MCPServer("tools")


@server.tool()
def whoami() -> str:
    """Tell who calls."""
    return principal().client_id


@server.tool()
def drop(what: str) -> str:
    """Delete something: for that, one scope more."""
    return f"{what} is gone, said {principal('tools:drop').client_id}"


guard = Guard(
    AsyncVerifier(TrustedIssuer(ISSUER, audience=RESOURCE)), resource=RESOURCE, scopes=["tools:use"]
)
app = guard(server.streamable_http_app())

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=int(os.environ.get("PORT", "8001")))
