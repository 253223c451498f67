"""The guard for ASGI applications: a wrapper that lets a request through with its `Principal`, or answers for it.

    guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))
    app = guard(app, "orders:read")                  # every request needs the scope
    app = guard.optional(app)                        # strangers pass; a bad credential is refused all the same

The application finds who is calling in its scope:

- `scope["admit.principal"]`: the `Principal`, or None for strangers where they may pass;
- `scope["admit.outcomes"]` is kept for guards further in, so that a request is verified once; it is anew where its
  method or its credential was changed in between.

WebSockets are guarded before they are accepted: refused ones get the same answer as a request where the server can give
it (`websocket.http.response`), else close code 1008. A cookie opens one only from a page of `origins`, or of the API's
own host. `lifespan` passes. CORS middleware belongs outside of the guard, since a preflight carries no credential.

A token in the query is refused, unless `QueryTokens` stands outside of the guard and takes it there.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Coroutine, MutableMapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from admit.errors import AdmitError, ConfigError
from admit.integrations import caching
from admit.integrations.gate import SETTLED, Gate, Headers, Kept, Outcome, Waiting, still_holds
from admit.integrations.query_token import PRIVATE, QueryLinks
from admit.jose.waive import Waive
from admit.principal import Principal
from admit.verifier import policy

__all__ = ["PRINCIPAL", "ForCaches", "Guard", "QueryTokens"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PRINCIPAL: Final = "admit.principal"
"""The scope's key under which a wrapped application finds the `Principal`."""

OUTCOMES: Final = "admit.outcomes"
LET_IN: Final = "admit.let_in"
"""Whom each guard let in: one guard's principal is not another's."""

POLICY_VIOLATION: Final = 1008
"""The close code of a WebSocket that may not be opened, RFC 6455 §7.4.1."""

_DENIAL: Final = "websocket.http.response"


async def _no_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands where no application was given."""


class Guard(Gate):
    """Wraps ASGI applications; one guard may wrap several. Its arguments are those of `Gate`."""

    def __call__(
        self,
        app: App = _no_app,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> App:
        """The application, for those who have all these scopes, and the role and the group if named.

        `acr`: a class of sign-in, or several that will do; `max_age`: how long ago it may be (RFC 9470).

        Raises:
            ConfigError: no ASGI application; a scope, role, group, class or age that can be none.
        """
        _check_app(app)
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return Guarded(app, self, wanted, optional=False)

    def optional(
        self,
        app: App = _no_app,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> App:
        """The same, open to strangers: the principal is None where a request carries no credential at all."""
        _check_app(app)
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return Guarded(app, self, wanted, optional=True)


def _check_app(app: App) -> None:
    """A function of less than three arguments is no ASGI application, but an endpoint that somebody decorated.

    Raises:
        ConfigError: it is none.
    """
    right = callable(app) and app is not _no_app
    if right and inspect.isroutine(app):
        try:
            inspect.signature(app).bind(None, None, None)
        except TypeError:
            right = False
        except ValueError:  # one written in C tells no signature
            pass
    if not right:
        raise ConfigError(
            "this guard wraps ASGI applications: guard(app, ...), guard.optional(app, ...); endpoints are decorated by"
            " @guard.requires(...) and @guard.welcomes(...) of admit.integrations.starlette, and FastAPI's routes"
            " depend on a guard of admit.integrations.fastapi"
        )


class Guarded:
    """One application behind a guard."""

    def __init__(self, app: App, gate: Gate, wanted: policy.Requirement, *, optional: bool) -> None:
        self.app = app
        self._gate = gate
        self._wanted = wanted
        self._optional = optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        found = outcome(self._gate, scope)
        if not isinstance(found, SETTLED):
            found = await found
        try:
            who = self._gate.check(found, self._wanted, optional=self._optional)
        except AdmitError as error:
            await deny(self._gate.refusal(error, self._wanted), scope, receive, send)
            return
        if scope["type"] == "http":
            send = for_caches(send, somebody=who is not None, names=self._gate.carriers)
        # The server's own scope stays as it is: what stands outside of the guard is not told of its caller.
        await self.app({**scope, PRINCIPAL: who, LET_IN: let_in(self._gate, scope, who)}, receive, send)


def for_caches(send: Send, *, somebody: bool, names: Sequence[str]) -> Send:
    """Answers as `caching` has them."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = marked(message, somebody=somebody, names=names)
        await send(message)

    return sent


def marked(start: MutableMapping[str, Any], *, somebody: bool, names: Sequence[str]) -> dict[str, Any]:
    """The start of an answer, with its fields completed."""
    headers = list(start.get("headers", ()))
    caching.complete_raw(headers, somebody=somebody, names=names)
    return {**start, "headers": headers}


def let_in(gate: Gate, scope: Scope, who: Principal | None) -> dict[Gate, Principal | None]:
    """Whom the guards let in, this one too: for what is further in."""
    return {**scope.get(LET_IN, {}), gate: who}


def let_in_by(gate: Gate, scope: Scope) -> Principal | None:
    """Whom this very guard let in; None where it let strangers in, or was not asked."""
    who: Principal | None = scope.get(LET_IN, {}).get(gate)
    return who


def outcome(gate: Gate, scope: Scope) -> Outcome | Coroutine[Any, Any, Outcome]:
    """What the request's credential came to, found out once a request; at once where it can be."""
    handshake = scope["type"] == "websocket"
    method = "GET" if handshake else scope["method"]
    headers, query = scope["headers"], scope.get("query_string", b"")
    outcomes: dict[Gate, Kept] | None = scope.get(OUTCOMES)
    if outcomes is None:
        outcomes = scope[OUTCOMES] = {}
    elif gate in outcomes and still_holds(outcomes[gate], headers, method, query, handshake=handshake):
        return outcomes[gate][0]
    found = gate.look(headers, method, query, handshake=handshake)
    if isinstance(found, Waiting):
        return _wait(outcomes, gate, found, list(headers), method, query, handshake)
    outcomes[gate] = found, list(headers), method, query, handshake
    return found


async def _wait(
    outcomes: dict[Gate, Kept],
    gate: Gate,
    waiting: Waiting,
    headers: Headers,
    method: str,
    query: bytes,
    handshake: bool,
) -> Outcome:
    """The same where keys, revocations or the session have to be asked for."""
    found = await gate.wait_async(waiting)
    outcomes[gate] = found, headers, method, query, handshake
    return found


async def deny(refusal: policy.Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a refusal; a WebSocket that is not accepted yet too."""
    prefix = "http.response"
    if scope["type"] == "websocket":
        if not can_answer(scope):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
            return
        prefix = _DENIAL
    body = refusal.body
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in refusal.headers]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": b"" if scope.get("method") == "HEAD" else body})


def can_answer(scope: Scope) -> bool:
    """Whether the server can answer a handshake with a response, as the denial extension of ASGI has it."""
    return _DENIAL in (scope.get("extensions") or {})


class ForCaches:
    """Has every answer of an application say what guards found out for caches, `caching`, however it came to be.

        app.add_middleware(ForCaches)        # of FastAPI or Starlette
        app = ForCaches(app)                 # the same, and what a handler of `Exception` or of 500 answers

    Those two frameworks call such a handler outside of all middleware. A guard around an application sees all of its
    answers and needs none of this. A dependency of FastAPI sees neither a `Response` that a route makes itself, nor
    what an exception handler answers once the guard has let somebody in; a decorated endpoint of Starlette does not see
    the latter. What no guard looked at stays as it is.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Guards write into this very dictionary, whose copies of the scope they may have: `outcome`.
        outcomes: dict[Gate, Kept] = scope.setdefault(OUTCOMES, {})

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                for gate, kept in outcomes.items():
                    message = marked(message, somebody=isinstance(kept[0], Principal), names=gate.carriers)
            await send(message)

        await self.app(scope, receive, sent)


class QueryTokens:
    """Takes a token from the query at the named `paths` and below, RFC 6750 §2.3: for WebSockets, `EventSource` and
    download links of who has no session.

        app = QueryTokens(app, Waive.QUERY_TOKEN, paths=["/events"])        # of any framework
        app.add_middleware(QueryTokens, waived=Waive.QUERY_TOKEN, paths=["/events"])        # added last: outermost

    Guards then find it in the Authorization header. It is taken out of the server's own scope before anything is
    called, so uvicorn, hypercorn and what looks at the scope later log a URL without it; proxies and what stands
    outside have seen it. Answers say `private, no-store` and `no-referrer`. Give such links tokens that live for a
    minute and can do one thing.

    Raises:
        ConfigError: `waived` is not `Waive.QUERY_TOKEN`, or no path is named.
    """

    def __init__(self, app: App, waived: Literal[Waive.QUERY_TOKEN], *, paths: Collection[str]) -> None:
        self.app = app
        self._links = QueryLinks(waived, paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query: bytes = scope.get("query_string", b"")
        if not query or scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        handshake = scope["type"] == "websocket"
        moved = self._links.moved(
            scope["headers"], scope.get("method", "GET"), path, query.decode("latin-1"), handshake=handshake
        )
        if moved is None:
            await self.app(scope, receive, send)
            return
        scope["query_string"] = moved.query.encode("latin-1")
        if moved.token is not None:
            header = (b"authorization", b"Bearer " + moved.token.encode("ascii"))
            scope = {**scope, "headers": [*scope["headers"], header]}
        await self.app(scope, receive, privately(send))


def privately(send: Send) -> Send:
    """Answers that nobody keeps, and whose pages tell nobody where they are from."""
    ours = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in PRIVATE]
    names = {name for name, _ in ours}

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] in ("http.response.start", f"{_DENIAL}.start"):
            others = [pair for pair in message.get("headers", ()) if bytes(pair[0]).lower() not in names]
            message = {**message, "headers": [*others, *ours]}
        await send(message)

    return sent
