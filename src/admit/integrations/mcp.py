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

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from pydantic import PrivateAttr

from admit.credentials import authorization, cors
from admit.errors import (
    AdmitError,
    ConfigError,
    InsufficientScopeError,
    MissingCredentialError,
    TokenError,
    UnavailableError,
)
from admit.integrations import asgi
from admit.integrations.asgi import PRINCIPAL, App, Receive, Scope, Send
from admit.integrations.gate import Gate, checked_verifier
from admit.integrations.step_up import HeldAnswer
from admit.principal import Principal
from admit.verifier import AsyncVerifier, Verifier, policy

__all__ = ["AdmitAccessToken", "AdmitTokens", "Guard", "Refused", "principal"]

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_MAX_AGE: Final = timedelta(minutes=5)
_RESOURCE: Final = re.compile(r"https?://[^\s/?#\"\\]+[^\s#\"\\]*", re.ASCII)


class AdmitAccessToken(AccessToken):
    """The SDK's value of a token that was verified. It knows the principal, which no dump of it shows."""

    _principal: Principal = PrivateAttr()
    _wall: Callable[[], float] = PrivateAttr()
    _lacking: policy.Requirement | None = PrivateAttr(default=None)

    @property
    def principal(self) -> Principal:
        """Who the token speaks for."""
        return self._principal


def principal(
    *scopes: str,
    role: str | None = None,
    group: str | None = None,
    acr: str | Sequence[str] = (),
    max_age: timedelta | None = None,
) -> Principal:
    """Who calls the tool, resource or prompt; only if there are all these scopes, and the role and the group if named.

    For what one tool needs beyond the others; ask before anything is done. Behind a `Guard`, a caller who lacks scopes
    alone is answered 403 with the challenge by which clients ask for them, and then comes again. Any other refusal is
    the tool's error, and this one too where the answer has begun, such as by a notification, or by `AdmitTokens`.

    Raises:
        Refused: nobody is there (no request, or none that Admit let in), or something is missing.
        ConfigError: a scope, role, group, class or age that can be none.
    """
    wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
    token = get_access_token()
    if not isinstance(token, AdmitAccessToken):
        raise Refused(MissingCredentialError(), wanted)
    try:
        policy.check(token.principal, wanted, token._wall())
    except AdmitError as error:
        token._lacking = wanted if lacks_scopes_alone(token.principal, wanted, token._wall()) else None
        raise Refused(error, wanted) from None
    return token.principal


def lacks_scopes_alone(who: Principal, wanted: policy.Requirement, now: float) -> bool:
    """Whether more scopes would do: nobody gets a role, a group or another sign-in by asking for scopes."""
    try:
        policy.check(who, replace(wanted, scopes=frozenset()), now)
    except AdmitError:
        return False
    return not wanted.scopes <= who.scopes


class Refused(ToolError, ResourceError):
    """A tool or resource is not for this caller. The server tells it, and logs no crash. `cause_` is the error."""

    def __init__(self, error: AdmitError, wanted: policy.Requirement) -> None:
        needed = f" It needs the scope {wanted.scope_text}." if wanted.scopes else ""
        super().__init__(f"{error.public}{needed}")
        self.cause_ = error


class _Server:
    """What both ways of guarding know of the server that they guard."""

    def __init__(self, verifier: Verifier | AsyncVerifier, resource: str, scopes: Sequence[str]) -> None:
        self.verifier = checked_verifier(verifier)
        self.resource = checked_resource(verifier, resource)
        self.wanted = policy.requirement(scopes)
        if "offline_access" in self.wanted.scopes:
            raise ConfigError("offline_access is what a client wishes, and no scope of a server")
        self.required_scopes = sorted(self.wanted.scopes)
        """What each request needs. FastMCP reads it, too."""
        self.authorization_servers = sorted(verifier.issuers)
        """The issuers, letter by letter as tokens name them."""

    def token(self, text: str, who: Principal) -> AdmitAccessToken:
        """The SDK's value of this principal's token."""
        made = AdmitAccessToken(
            token=text,
            client_id=who.client_id,
            scopes=sorted(who.scopes),
            expires_at=None if who.expires_at is None else int(who.expires_at),
            resource=self.resource,
            subject=who.subject,
            # The SDK ties what it keeps for a caller to client, issuer and subject.
            claims={**_plain(who.claims), "iss": who.issuer},
        )
        made._principal, made._wall = who, self.verifier.core.wall
        return made


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


class _Guarded:
    """One application behind a guard."""

    def __init__(self, app: App, guard: Guard) -> None:
        self._app = AuthContextMiddleware(app)
        self._guard = guard
        self._path = unquote(urlsplit(guard.metadata_url).path)
        self._body = msgspec.json.encode(guard.metadata)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == self._path:
            await self._publish(scope, send)
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

    async def _publish(self, scope: Scope, send: Send) -> None:
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


def checked_resource(verifier: Verifier | AsyncVerifier, resource: str) -> str:
    """The server's URL, as clients and tokens have it.

    Raises:
        ConfigError: it is no URL of a server, or tokens for it would not be taken.
    """
    resource = str(resource)  # an `AnyHttpUrl`, perhaps, whose slash shows below
    if not _RESOURCE.fullmatch(resource):
        raise ConfigError("resource is the URL of the MCP endpoint, without a fragment")
    if resource not in verifier.audiences:
        other = resource.removesuffix("/") if resource.endswith("/") else resource + "/"
        hint = "; they differ by the slash at the end" if other in verifier.audiences else ""
        raise ConfigError(f"resource has to be an audience of the verifier, letter by letter{hint}")
    return resource


def _sent(scope: Scope) -> str:
    """The token, which the gate found in the one place where it may stand."""
    return authorization.bearer([value for name, value in scope["headers"] if name == b"authorization"]) or ""


def _plain(value: Any) -> Any:
    """Read-only mappings and tuples as the dicts and lists that the SDK copies and dumps."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
