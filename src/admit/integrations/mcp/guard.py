"""The guard around an MCP server's application: whom it lets in, and how it answers the others."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from admit.credentials import authorization
from admit.errors import AdmitError, InsufficientScopeError
from admit.integrations import asgi
from admit.integrations.asgi import PRINCIPAL, App, Receive, Scope, Send
from admit.integrations.gate import Gate
from admit.integrations.mcp.caller import AdmitAccessToken
from admit.integrations.mcp.metadata import Published, metadata, metadata_url
from admit.integrations.mcp.server import _Server
from admit.integrations.mcp.step_up import HeldAnswer
from admit.principal import Principal
from admit.verifier import AsyncVerifier, Verifier, policy


class Guard(_Server):
    """Wraps the server's ASGI application: publishes the metadata, and lets in who has a token with all `scopes`.

    `resource` is the URL of the MCP endpoint, an audience of the verifier. `name` and `documentation` are for people,
    in the metadata. Everything behind the guard needs a token; what needs none, such as a health check, stands beside
    it. CORS middleware belongs outside of it. The server itself is made without authentication of its own.

    Raises:
        ConfigError: the resource is no audience of the verifier, or a scope can be none.
    """

    def __init__(
        self,
        verifier: Verifier | AsyncVerifier,
        *,
        resource: str,
        scopes: Sequence[str] = (),
        realm: str | None = None,
        name: str | None = None,
        documentation: str | None = None,
    ) -> None:
        super().__init__(verifier, resource, scopes)
        self.metadata_url = metadata_url(self.resource)
        """Where the metadata is, RFC 9728 §3.1; challenges name it."""
        self.gate = Gate(verifier, realm=realm, resource_metadata=self.metadata_url)
        self.metadata = metadata(self, name=name, documentation=documentation)

    def __call__(self, app: App) -> App:
        """The application, guarded."""
        return _Guarded(app, self)

    def override(self, who: Principal | None) -> AbstractContextManager[None]:
        """In tests: `with guard.override(principal("alice")): …`, as `Gate.override` says."""
        return self.gate.override(who)


class _Guarded:
    """One application behind a guard."""

    def __init__(self, app: App, guard: Guard) -> None:
        self._app = AuthContextMiddleware(app)
        self._guard = guard
        self._published = Published(guard.metadata_url, guard.metadata)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == self._published.path:
            await self._published(scope, receive, send)
        elif scope["type"] in ("http", "websocket"):
            await self._let_in(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        guard = self._guard
        found = asgi.outcome(guard.gate, scope)
        if not (found is None or isinstance(found, Principal | AdmitError)):
            found = await found
        try:
            who = guard.gate.check(found, guard.wanted)
        except AdmitError as error:
            await asgi.deny(guard.gate.refusal(error, guard.wanted), scope, receive, send)
            return
        assert who is not None
        token = guard.token(_sent(scope), who)
        if scope["type"] == "http":
            send = asgi.for_caches(send, somebody=True, names=guard.gate.carriers)
        if scope["type"] == "http" and scope["method"] == "POST":
            send = HeldAnswer(scope, receive, send, lambda: self._challenge(token))
        await self._app({**scope, "user": AuthenticatedUser(token), PRINCIPAL: who}, receive, send)

    def _challenge(self, token: AdmitAccessToken) -> policy.Refusal | None:
        """The challenge for what a tool refused this token: all scopes that the call needs, RFC 6750 §3.1. None if
        nothing was refused, or nothing that scopes would mend.
        """
        if token._lacking is None:
            return None
        wanted = replace(token._lacking, scopes=token._lacking.scopes | self._guard.wanted.scopes)
        error = InsufficientScopeError("a tool needs more", scope=wanted.scope_text)
        return self._guard.gate.refusal(error, wanted)


def _sent(scope: Scope) -> str:
    """The token, which the gate found in the one place where it may stand."""
    return authorization.bearer([value for name, value in scope["headers"] if name == b"authorization"]) or ""
