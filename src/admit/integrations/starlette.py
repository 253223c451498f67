"""The guard for Starlette: a decorator for endpoints, and a middleware for whole applications.

    guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))

    @guard.requires("orders:read", role="admin")
    async def orders(request: Request) -> Response:
        who = guard.principal(request)

`requires` is for functions, coroutines and WebSocket endpoints; for the methods of an `HTTPEndpoint` it is too. A whole
one is wrapped, `Route("/", guard(Orders, "orders:read"))`, since a guard wraps ASGI applications as well
(`admit.integrations.asgi`). `Middleware(GuardMiddleware, guard=guard, scopes=["orders:read"])` guards all routes; CORS
middleware belongs before it. A request is verified once however many guards it meets.

A refusal is raised as `Refused`, an `HTTPException`: an application's own exception handlers replace its answer.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, Final, Protocol, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from admit.errors import AdmitError, ConfigError, MissingCredentialError
from admit.integrations import asgi, caching
from admit.integrations.gate import SETTLED, Gate, Outcome
from admit.principal import Principal
from admit.verifier import policy

__all__ = ["Guard", "GuardMiddleware", "Refused"]

F = TypeVar("F", bound=Callable[..., Any])

_HANDLERS: Final = "starlette.exception_handlers"
_FRAMEWORKS: Final = frozenset({"starlette", "fastapi"})


class Refused(HTTPException):
    """Nobody is let in. Answered as `{"error": …, "error_description": …}` with its challenge, RFC 6750 §3.

    An exception handler for this class, for `HTTPException` or for a status replaces that answer. `cause_` is the
    error, for logs.
    """

    def __init__(self, refusal: policy.Refusal, error: AdmitError) -> None:
        super().__init__(refusal.status, refusal.error_description, dict(refusal.headers))
        self.refusal = refusal
        self.cause_ = error


R = TypeVar("R", bound=Refused)


async def answer(request: HTTPConnection, refused: Exception) -> Response | WebSocketClose:
    """The answer to a `Refused`; to a WebSocket's handshake too."""
    assert isinstance(refused, Refused)
    if request.scope["type"] == "websocket" and not asgi.can_answer(request.scope):
        return WebSocketClose(asgi.POLICY_VIOLATION)
    refusal = refused.refusal
    return Response(refusal.body, refusal.status, dict(refusal.headers), media_type="application/json")


class Guard(asgi.Guard):
    """Guards endpoints by `requires` and `optional`, and wraps applications. Its arguments are those of `Gate`."""

    def requires(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> Callable[[F], F]:
        """A decorator for an endpoint that wants all these scopes, and the role and the group if named.

        `acr`: a class of sign-in, or several that will do; `max_age`: how long ago it may be (RFC 9470).

        Raises:
            ConfigError: a scope, role, group, class or age that can be none.
        """
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return lambda endpoint: _guarded(self, endpoint, wanted, optional=False)

    def welcomes(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> Callable[[F], F]:
        """The same for endpoints that are open to strangers; a credential that is there and bad is refused."""
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return lambda endpoint: _guarded(self, endpoint, wanted, optional=True)

    def principal(self, request: HTTPConnection) -> Principal:
        """Who makes this request, once this very guard let them in.

        Raises:
            Refused: nobody, at an endpoint that is open to strangers or is not guarded by this guard: 401.
        """
        who = self.visitor(request)
        if who is None:
            raise refused(self, request, MissingCredentialError(), policy.ANYBODY)
        return who

    def visitor(self, request: HTTPConnection) -> Principal | None:
        """The same at an endpoint that is open to strangers: None for them."""
        return asgi.let_in_by(self, request.scope)


class HasGate(Protocol):
    """A guard that keeps its gate, as `admit.integrations.fastapi.Guard` does."""

    gate: Gate


class GuardMiddleware:
    """Guards a whole application: `Middleware(GuardMiddleware, guard=guard, scopes=["orders:read"])`.

    `guard` may be FastAPI's too. `optional` lets strangers pass. Refusals are answered here, before any handler of the
    application.

    Raises:
        ConfigError: no guard; a scope, role, group, class or age that can be none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        guard: Gate | HasGate,
        scopes: Sequence[str] = (),
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
        optional: bool = False,
    ) -> None:
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        gate = guard if isinstance(guard, Gate) else getattr(guard, "gate", None)
        if not isinstance(gate, Gate):
            raise ConfigError(
                "GuardMiddleware(guard=...) is a guard: of this module, or of admit.integrations.fastapi"
            )
        self.app = asgi.Guarded(app, gate, wanted, optional=optional)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def _guarded(guard: Guard, endpoint: F, wanted: policy.Requirement, *, optional: bool) -> F:
    """The endpoint behind the guard. Its connection is the argument of Starlette's kind, wherever it stands."""
    if not (inspect.isfunction(endpoint) or inspect.ismethod(endpoint)):
        raise ConfigError("requires is for functions; wrap a class as an application: guard(Endpoint, …)")
    # A WebSocket endpoint and a method that is a coroutine are awaited; what is none of them runs in a thread, as
    # Starlette itself would have it run.
    if inspect.iscoroutinefunction(endpoint):

        @wraps(endpoint)
        async def awaited(*args: Any, **more: Any) -> Any:
            who = await _enter(guard, _connection(args, more), wanted, optional=optional)
            return for_caches(guard, await endpoint(*args, **more), who)

        return cast(F, awaited)

    @wraps(endpoint)
    async def threaded(*args: Any, **more: Any) -> Any:
        who = await _enter(guard, _connection(args, more), wanted, optional=optional)
        return for_caches(guard, await run_in_threadpool(endpoint, *args, **more), who)

    return cast(F, threaded)


async def _enter(
    guard: Guard, request: HTTPConnection, wanted: policy.Requirement, *, optional: bool
) -> Principal | None:
    found: Outcome | Awaitable[Outcome] = asgi.outcome(guard, request.scope)
    if not isinstance(found, SETTLED):
        found = await found
    try:
        who = guard.check(found, wanted, optional=optional)
    except AdmitError as error:
        raise refused(guard, request, error, wanted) from None
    request.scope[asgi.PRINCIPAL] = who
    request.scope[asgi.LET_IN] = asgi.let_in(guard, request.scope, who)
    return who


def for_caches(gate: Gate, response: Any, who: Principal | None) -> Any:
    """What an endpoint gave; an answer says to caches what `caching` tells."""
    if isinstance(response, Response):
        caching.complete_raw(response.raw_headers, somebody=who is not None, names=gate.carriers)
    return response


def _connection(args: tuple[Any, ...], more: dict[str, Any]) -> HTTPConnection:
    for value in (*args, *more.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise ConfigError("requires is for endpoints: none of the arguments is a request or a WebSocket")


def refused(
    gate: Gate,
    request: HTTPConnection,
    error: AdmitError,
    wanted: policy.Requirement,
    kind: type[R] = Refused,  # type: ignore[assignment]  # mypy takes no default for a type variable
) -> R:
    """The exception that answers with this error's refusal."""
    # Starlette keeps the handlers of this application here. Where it does not (any more), the default handler still
    # gives status and headers.
    handlers = request.scope.get(_HANDLERS)
    if isinstance(handlers, tuple) and handlers and isinstance(handlers[0], dict):
        known = next((handlers[0][one] for one in kind.__mro__ if one in handlers[0]), None)
        if known is None or _is_default(known):
            handlers[0][kind] = answer
    return kind(gate.refusal(error, wanted), error)


def _is_default(handler: Any) -> bool:
    """Whether it is what the framework itself does with an `HTTPException`, and nothing of the application's."""
    return str(getattr(handler, "__module__", "")).partition(".")[0] in _FRAMEWORKS
