"""The SDK's own way to guard a server, filled in; and the answer that it lacks, to a token that cannot be checked."""

from collections.abc import MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings

from admit.errors import ConfigError, TokenError, UnavailableError
from admit.integrations import asgi
from admit.integrations.asgi import App, Receive, Scope, Send
from admit.integrations.mcp.caller import AdmitAccessToken
from admit.integrations.mcp.server import _Server
from admit.verifier import AsyncVerifier, Verifier, policy


class AdmitTokens(_Server, TokenVerifier):
    """What the SDK asks of whoever knows tokens.

        tokens = AdmitTokens(verifier, resource="https://mcp.example.com/mcp", scopes=["tools:use"])
        server = MCPServer("tools", token_verifier=tokens, auth=tokens.settings())
        app = tokens(server.streamable_http_app())

    For FastMCP: `RemoteAuthProvider(tokens, tokens.authorization_servers, base_url="https://mcp.example.com")`, and
    `app = tokens(server.http_app())`.

    Raises:
        ConfigError: the resource is no audience of the verifier, or a scope can be none.
    """

    def __init__(
        self, verifier: Verifier | AsyncVerifier, *, resource: str, scopes: Sequence[str] = ()
    ) -> None:
        super().__init__(verifier, resource, scopes)

    async def verify_token(self, token: str) -> AdmitAccessToken | None:
        """The token's value, None if it is not good.

        Raises:
            UnavailableError: it cannot be told. None would have clients throw their tokens away.
        """
        try:
            who = await self.verifier.verify_async(token)
        except TokenError:
            return None
        except UnavailableError as error:
            told = _UNKNOWN.get()
            if told is not None:
                told.append(error)
            raise
        return self.token(token, who)

    def __call__(self, app: App) -> App:
        """The server's application; where a token of a request cannot be checked it is answered 503, not 500."""
        return _Answering(app)

    def settings(self) -> AuthSettings:
        """What `MCPServer(auth=...)` is told.

        Raises:
            ConfigError: the verifier trusts several issuers, which the SDK has no place for: use `Guard`.
        """
        if len(self.authorization_servers) != 1:
            raise ConfigError("the SDK's settings name one issuer; for several, use Guard")
        told = {
            "issuer_url": self.authorization_servers[
                0
            ],  # as text: an `AnyHttpUrl` made here would end in a slash
            "resource_server_url": self.resource,
            "required_scopes": self.required_scopes,
            "validate_token_resource": True,
        }
        return AuthSettings.model_validate(told)

    @property
    def scopes_supported(self) -> list[str]:
        """What FastMCP publishes."""
        return self.required_scopes

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        """What FastMCP asks for in challenges."""
        return self.required_scopes if required_scopes is None else required_scopes


_UNKNOWN: ContextVar[list[UnavailableError] | None] = ContextVar("admit_unknown", default=None)
"""Where a token of this request could not be checked: why."""


class _Answering:
    """Around an application whose `TokenVerifier` raises what the SDK has no answer to."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        unknown: list[UnavailableError] = []
        begun = False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if unknown and not begun and message.get("status", 500) == 500:
                return  # what the framework makes of the error, or a page of its own for programmers
            begun = True
            await send(message)

        before = _UNKNOWN.set(unknown)
        try:
            await self._app(scope, receive, sent)
        except UnavailableError as error:
            if begun or error not in unknown:
                raise
        finally:
            _UNKNOWN.reset(before)
        if unknown and not begun:
            await asgi.deny(policy.refusal(unknown[0]), scope, receive, send)
