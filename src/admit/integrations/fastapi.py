"""The guard for FastAPI: a dependency that turns a request into a `Principal`, or answers for the route.

    guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))

    @app.get("/api/orders")
    async def orders(who: Annotated[Principal, guard("orders:read", role="admin")]): ...

Also `Security(guard, scopes=["orders:read"])`, `Depends(guard("orders:read"))`, `guard.optional()` and
`dependencies=[guard()]`, in routes and in WebSocket routes, which are refused before they are accepted. A request is
verified once however many guards it meets. A route that forgets the parentheses is refused when it is made.
Glue only: `gate` is what all integrations share, and the rules are in
`admit.credentials` and `admit.verifier`.
"""

import inspect
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import update_wrapper
from inspect import Parameter, Signature
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NoReturn, overload
from weakref import WeakKeyDictionary

from fastapi import FastAPI, HTTPException, routing
from fastapi.openapi.models import HTTPBearer
from fastapi.params import Security
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from admit.credentials.cookies import CookieMode
from admit.errors import AdmitError, ConfigError
from admit.integrations import asgi, openapi, starlette
from admit.integrations.gate import SETTLED, Gate, Outcome
from admit.principal import Principal
from admit.verifier import AsyncVerifier, SessionLookup, Verifier, policy

__all__ = ["Guard", "Refused"]

_NO_SCOPES: Mapping[str, str] = MappingProxyType({})
_SIGNATURE = Signature(
    [
        Parameter("request", Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
        Parameter("security_scopes", Parameter.KEYWORD_ONLY, annotation=SecurityScopes),
        Parameter("response", Parameter.KEYWORD_ONLY, annotation=Response),
    ]
)
_CALL_IT: Final = (
    "the parentheses are forgotten: write Annotated[Principal, guard(...)], Annotated[Principal | None,"
    " guard.optional(...)], dependencies=[guard(...)] or Depends(guard(...))"
)
_DOCUMENTED: Final[WeakKeyDictionary[FastAPI, dict[str, "Guard"]]] = WeakKeyDictionary()
"""Whose words each scheme of an application's document has."""


class Refused(starlette.Refused, HTTPException):
    """Nobody is let in. Answered as `{"error": …, "error_description": …}` with its challenge, RFC 6750 §3.

    An exception handler for this class, for `HTTPException` or for a status replaces that answer. `cause_` is the
    error, for logs.
    """

    def __init__(self, refusal: policy.Refusal, error: AdmitError) -> None:
        super().__init__(refusal, error)
        self.detail: Any = {"error": refusal.error, "error_description": refusal.error_description}


class Guard(SecurityBase):
    """Lets requests in by bearer token, and by session cookie where `sessions` is given.

    `sessions` looks sessions up (`RemoteLookup`, or the issuer's own); for them `audience` says whose scopes the
    principal gets (needed where the verifier has several), `session_cookie` is the cookie's name (None: the issuer's,
    of `cookie_mode`, which is `cookie_domain` where its settings have a `sessions.cookie_domain`), and `origins` are
    those whose pages may change things by cookie, written as browsers send them (None: this API's own pages only).
    `token_cookie` names a cookie in which a token may come instead of a session, under the same rule against forged
    requests. `realm` and `resource_metadata` go into the challenge. `scheme_name` is what OpenAPI calls it.

    An `Authorization` header decides alone; a cookie beside it is ignored. Tokens in the query are refused,
    unless `admit.integrations.asgi.QueryTokens` takes them at named paths.

    Raises:
        ConfigError: the parts do not fit together.
    """

    def __init__(
        self,
        verifier: Verifier | AsyncVerifier,
        *,
        sessions: SessionLookup | None = None,
        origins: Collection[str] | None = None,
        realm: str | None = None,
        audience: str | None = None,
        session_cookie: str | None = None,
        cookie_mode: CookieMode | Literal["same_host", "cookie_domain"] = "same_host",
        token_cookie: str | None = None,
        resource_metadata: str | None = None,
        scheme_name: str = "bearer",
    ) -> None:
        self.gate = Gate(
            verifier,
            sessions=sessions,
            origins=origins,
            realm=realm,
            audience=audience,
            session_cookie=session_cookie,
            cookie_mode=cookie_mode,
            token_cookie=token_cookie,
            resource_metadata=resource_metadata,
        )
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token of a trusted issuer.")
        self.scheme_name = scheme_name
        # `Security(guard, …)` makes the guard itself a dependency. FastAPI takes its parameters from `__signature__`,
        # and whether it must be awaited from the instance's `__call__`; calling it goes through the class as ever.
        self.__signature__ = _SIGNATURE
        vars(self)["__call__"] = self._depend
        vars(self)["optional"] = _Making(self.optional)
        self._plain = _Dependency(self, policy.ANYBODY, optional=False)

    @overload
    def __call__(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> Any: ...
    @overload
    def __call__(
        self, *, request: HTTPConnection, security_scopes: SecurityScopes, response: Response | None = None
    ) -> Coroutine[None, None, Principal | None]: ...
    def __call__(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
        request: HTTPConnection | None = None,
        security_scopes: SecurityScopes | None = None,
        response: Response | None = None,
    ) -> Any:
        """A dependency that wants all these scopes, and the role and the group if named.

        `acr`: a class of sign-in, or several that will do; `max_age`: how long ago it may be. Where the sign-in is not
        enough the answer tells so, and the application sends its user through `/authorize` again (RFC 9470).

        FastAPI itself calls with `request`, `security_scopes` and `response`, for `Security(guard, scopes=[…])`.

        Raises:
            ConfigError: a scope, role, group, class or age that can be none.
        """
        if request is not None and security_scopes is not None:
            return self._plain(request, security_scopes, Response() if response is None else response)
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return self._security(wanted, optional=False)

    def optional(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> Any:
        """The same for routes that are open to strangers: None where the request carries no credential at all.

        A credential that is there and bad is refused all the same, and so is one without what is asked.
        """
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return self._security(wanted, optional=True)

    @property
    def dependency(self) -> NoReturn:
        """FastAPI asks for it where `dependencies=[guard]` forgets the parentheses.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(_CALL_IT)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> NoReturn:
        """FastAPI asks for it where `Annotated[..., guard]` forgets them: it would read that from the request."""
        raise ConfigError(_CALL_IT)

    def override(self, who: Principal | None) -> AbstractContextManager[None]:
        """In tests: `with guard.override(principal("alice")): …`, as `Gate.override` says."""
        return self.gate.override(who)

    def document(
        self,
        app: FastAPI,
        *,
        client_id: str | None = None,
        scopes: Mapping[str, str] = _NO_SCOPES,
        authorization_url: str | None = None,
        token_url: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Let the application's OpenAPI tell of 401, 403 and 503 at each guarded operation, of the session cookie, and
        where strangers may come in.

        The scheme and the scopes are there without it.

        With `client_id`, people can sign in on the docs page: the scheme becomes OAuth2 with the authorization code and
        PKCE, for this public client of the issuer, whose redirect URI is the page's `/docs/oauth2-redirect`. `scopes`
        tells what scopes allow, in plain words: these are ticked; others that routes ask can be. The URLs are those of
        an Admit issuer unless they are named, and nothing is fetched. `parameters` go along to the sign-in:
        `{"resource": …}` with the verifier's audience unless they are named (RFC 8707 §2; Auth0 wants
        `{"audience": …}`). What the application itself has set in `swagger_ui_init_oauth` stays.

        Raises:
            ConfigError: a URL or the audience does not follow from what the verifier trusts, a scope can be none, or
                another guard documents this application under the same `scheme_name`.
        """
        if _DOCUMENTED.get(app, {}).get(self.scheme_name, self) is not self:
            raise ConfigError(
                "another guard documents this application under the same name: give one Guard(scheme_name=...)"
            )
        whole, way = app.openapi, None
        if client_id is not None:
            way = openapi.sign_in(
                [known.trust for known in self.gate.verifier.core.trusted()],
                scopes=scopes,
                authorization_url=authorization_url,
                token_url=token_url,
                parameters=parameters,
            )
            own = app.swagger_ui_init_oauth or {}
            app.swagger_ui_init_oauth = {**openapi.swagger_ui(client_id, scopes), **own}

        _DOCUMENTED.setdefault(app, {})[self.scheme_name] = self

        def described() -> dict[str, Any]:
            made = openapi.describe(
                whole(),
                self.scheme_name,
                self.gate.cookie or self.gate.token_cookie,
                welcoming=set(self._welcoming(app)),
            )
            return made if way is None else openapi.authorize(made, self.scheme_name, way)

        app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend the document

    def _security(self, wanted: policy.Requirement, *, optional: bool) -> Security:
        return _Asked(_Dependency(self, wanted, optional=optional), scopes=tuple(sorted(wanted.scopes)))

    def _welcoming(self, app: FastAPI) -> Iterator[tuple[str, str]]:
        """The paths and methods of operations at which this guard asks nothing of strangers."""
        # Older versions of FastAPI keep the routes of included routers in the application's own list.
        each: Any = getattr(routing, "iter_route_contexts", iter)
        for route in each(app.routes):
            asked = list(_asked(getattr(route, "dependant", None), self))
            if asked and all(asked):
                yield from ((route.path_format, method.lower()) for method in route.methods or ())

    async def _depend(
        self, request: HTTPConnection, security_scopes: SecurityScopes, response: Response
    ) -> Principal | None:
        return await self._plain(request, security_scopes, response)

    def outcome(self, scope: Scope) -> Outcome | Coroutine[Any, Any, Outcome]:
        """What the request's credential came to, found out once a request; at once where it can be."""
        return asgi.outcome(self.gate, scope)

    def refuse(self, request: HTTPConnection, error: AdmitError, wanted: policy.Requirement) -> Refused:
        """The exception that answers with this error's refusal."""
        return starlette.refused(self.gate, request, error, wanted, Refused)


class _Making:
    """`guard.optional`: called it makes a dependency, and it is none itself. Whoever takes it for one is told so."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        update_wrapper(self, make)
        # FastAPI asks pydantic about each parameter of what it takes for a dependency, and pydantic asks `self`.
        first, *others = inspect.signature(make).parameters.values()
        self.__signature__ = Signature([first.replace(annotation=Annotated[str, self]), *others])

    def __call__(self, *scopes: str, **more: Any) -> Any:
        return self._make(*scopes, **more)

    @property
    def dependency(self) -> NoReturn:
        raise ConfigError(_CALL_IT)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> NoReturn:
        raise ConfigError(_CALL_IT)


class _Asked(Security):
    """What `guard(...)` gives: FastAPI's own mark of a dependency, which `Depends(...)` takes for one as well.

    Two that ask the same of the same guard are equal, and equal to the dependency that they mark.
    """

    def __init__(self, dependency: "_Dependency", **more: Any) -> None:
        super().__init__(dependency, **more)
        # As a dependency it has a single one, itself, so that the document and a test's overrides find that.
        found = Parameter("found", Parameter.KEYWORD_ONLY, annotation=Annotated[Any, self])
        vars(self).update(__signature__=Signature([found]), __call__=self._found)

    def __call__(self, *decorated: Any, **found: Any) -> Any:
        if decorated:
            raise ConfigError(
                "a guard of FastAPI decorates nothing: write Annotated[Principal, guard(...)] for an argument of the"
                " route, or dependencies=[guard(...)]"
            )
        return self._found(**found)

    async def _found(self, *, found: Principal | None) -> Principal | None:
        return found

    def __eq__(self, other: object) -> bool:
        return self.dependency == (other.dependency if isinstance(other, _Asked) else other)

    def __hash__(self) -> int:
        return hash(self.dependency)


def _asked(dependant: Any, guard: Guard) -> Iterator[bool]:
    """For each time that a route depends on this guard, whether strangers may pass it."""
    for inner in getattr(dependant, "dependencies", ()):
        call = inner.call
        if call is guard:
            yield False
        elif isinstance(call, _Dependency) and call.guard is guard:
            yield call.optional
        yield from _asked(inner, guard)


class _Dependency(SecurityBase):
    """What one `guard(...)` stands for. Two that ask the same of the same guard are equal."""

    def __init__(self, guard: Guard, wanted: policy.Requirement, *, optional: bool) -> None:
        self.model = guard.model
        self.scheme_name = guard.scheme_name
        self.guard = guard
        self.optional = optional
        self._own = wanted
        self._wanted: dict[tuple[str, ...], policy.Requirement] = {}
        self._hash = hash((id(guard), wanted, optional))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Dependency):
            return NotImplemented
        return (self.guard, self._own, self.optional) == (other.guard, other._own, other.optional)

    def __hash__(self) -> int:
        return self._hash

    async def __call__(
        self, request: HTTPConnection, security_scopes: SecurityScopes, response: Response
    ) -> Principal | None:
        found = self.guard.outcome(request.scope)
        if not isinstance(found, SETTLED):
            found = await found
        wanted = self._requirement(tuple(security_scopes.scopes))
        try:
            who = self.guard.gate.check(found, wanted, optional=self.optional)
        except AdmitError as error:
            raise self.guard.refuse(request, error, wanted) from None
        starlette.for_caches(self.guard.gate, response, who)
        return who

    def _requirement(self, scopes: tuple[str, ...]) -> policy.Requirement:
        """What this guard asks, and what the dependencies above it ask by `Security(…, scopes=[…])`.

        FastAPI fixes those with the route, so there are only ever as many as there are routes.
        """
        wanted = self._wanted.get(scopes)
        if wanted is None:
            wanted = replace(self._own, scopes=policy.requirement({*scopes, *self._own.scopes}).scopes)
            self._wanted[scopes] = wanted
        return wanted
