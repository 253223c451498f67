"""The guard for MCP servers: tokens, protected resource metadata (RFC 9728) and challenges, as the MCP authorization
specification of 2026-07-28 asks.

    guard = Guard(verifier, resource="https://mcp.example.com/mcp", scopes=["tools:use"])
    app = guard(server.streamable_http_app())        # FastMCP: guard(server.http_app())

    @server.tool()
    def whoami() -> str:
        return principal().subject

`AdmitTokens` is for who rather fills in the SDK's own `token_verifier`, or FastMCP's `RemoteAuthProvider`. The SDK
names no scopes in its challenges, and neither has an answer to a token that cannot be checked: `tokens(app)` around the
application gives the guard's, 503, where they would say 500.

Issuers and the resource are compared letter by letter and published as they were written: pydantic's `AnyHttpUrl` would
add a slash to `https://id.example.com`, and clients would find another issuer than the tokens'.
"""

from admit.integrations.mcp.caller import AdmitAccessToken, Refused, principal
from admit.integrations.mcp.guard import Guard
from admit.integrations.mcp.sdk import AdmitTokens

__all__ = ["AdmitAccessToken", "AdmitTokens", "Guard", "Refused", "principal"]
