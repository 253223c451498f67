"""From an ASGI call to an endpoint: host, path, method, origin, and one place where errors become answers.

A table of rows decides everything that can be decided before an endpoint runs. A path that has more than one spelling
(percent-encoded, doubled slashes, dot segments, parameters of a segment) is refused, so that a proxy in front and Admit
never disagree about what is asked.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from admit.credentials import cors
from admit.credentials.cors import CorsPolicy
from admit.errors import AdmitError
from admit.issuer.app import answers
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call, Receive, Scope, Send
from admit.issuer.app.counting import Counts
from admit.issuer.app.event_stream import EventStream
from admit.issuer.app.observing import Observer
from admit.issuer.clients import asking

Handler = Callable[[Call], Awaitable[Response]]


class Face(Enum):
    """How an error of this route is told: a page for people, or JSON for programs."""

    PAGE = "page"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path below the issuer. A `*` in it matches any one segment, given as `call.path_value`.

    `told` describes methods for the API's OpenAPI document, where the segment is called `value`. `exempt` says why
    state-changing methods here need no CSRF token (contracts §4's written table); None means they do. `who` may call
    what `told` does not describe. `get_changes`: a GET here signs somebody in or out, or uses up what it came with, as
    protocols want it. A HEAD, by which programs only look whether a link is good, is not taken then. `ready` is for
    what everybody asks for all day: it gives what `GET` answers, the same for everybody's scripts too, and nothing of a
    call is looked at but host and path.
    """

    path: str
    handlers: Mapping[str, Handler]
    face: Face
    cors: CorsPolicy = CorsPolicy.NOBODY
    exempt: str | None = None
    value: str = ""
    told: Mapping[str, Operation] = field(default_factory=dict)
    who: Who = Who.ANYBODY
    get_changes: bool = False
    ready: Callable[[], answers.Ready] | None = None

    def allowed_to(self, method: str) -> Who:
        """Who may call this method here."""
        return self.told[method].who if method in self.told else self.who


def check_host(scope: Scope, expected: str) -> bool:
    """RFC 9110 §7.2: exactly one Host, and it is the issuer's."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and hosts[0].decode("latin-1").lower() == expected


_OTHERS_PAGES: Final = frozenset({b"cross-site", b"same-site"})


def check_fetch(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Let other sites' pages lead people to ours, and nothing else: as an image, a script, a frame or by fetch a page
    could tell them who is signed in, by its size, its errors or the time it takes. Browsers say in headers that no
    script can set how a request came about; who sends none is no such browser, and passes.

    Raises:
        CrossSiteFetchError: another site's page embeds or fetches.
    """
    said = {name: value for name, value in headers if name.startswith(b"sec-fetch-")}
    if said.get(b"sec-fetch-site") not in _OTHERS_PAGES:
        return
    mode, dest = said.get(b"sec-fetch-mode", b"navigate"), said.get(b"sec-fetch-dest", b"document")
    if (mode, dest) != (b"navigate", b"document"):
        raise answers.CrossSiteFetchError("a page is embedded or fetched")


def check_submitted(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Let browsers send our forms by going on from them, and no other way: not from a script in the background, be it
    one of the same host, that would say yes in a person's name without a page being shown (RFC 6819 §4.4.1.10).

    Raises:
        CrossSiteFetchError: a script sends it.
    """
    if any(name == b"sec-fetch-mode" and value != b"navigate" for name, value in headers):
        raise answers.CrossSiteFetchError("a form is sent by a script")


_REMEMBERED: Final = 128  # characters; longer ones are nobody's of ours
_SPELLED_OTHERWISE: Final = re.compile(r"//|[^\x21-\x7e]|[%;\\]|/\.\.?(?:/|$)")


def path_of(scope: Scope) -> str | None:
    """The path, if it came in the one spelling in which we and every proxy read the same; else None."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    return path if (_is_plain if len(path) < _REMEMBERED else _is_plain.__wrapped__)(path, raw) else None


# A hot path: the few paths that are asked for all day are judged once.
@lru_cache(maxsize=1_024)
def _is_plain(path: str, raw: bytes | None) -> bool:
    if raw is not None and raw.split(b"?")[0] != path.encode("utf-8", "replace"):
        return False
    return _SPELLED_OTHERWISE.search(path) is None


def handler_of(route: Route, method: str) -> Handler:
    """What answers this method here. No header or parameter stands for another method.

    Raises:
        MethodNotAllowedError: the route does not take it.
    """
    handler = route.handlers.get("GET" if method == "HEAD" else method)
    if handler is None or (method == "HEAD" and route.get_changes):
        raise answers.MethodNotAllowedError(allow=allow(route))
    return handler


def allow(route: Route) -> str:
    """The value of `Allow`, RFC 9110 §10.2.1."""
    return ", ".join(
        sorted({*route.handlers, *({"HEAD"} if "GET" in route.handlers and not route.get_changes else ())})
    )


_PUBLIC = frozenset({CorsPolicy.EVERYBODY, CorsPolicy.EVERYBODY_WHO_ASKS})


WELL_KNOWN: Final = "/.well-known/"


def below(path: str, base: str, moved: Mapping[str, str]) -> str:
    """The path below an issuer that has one itself: with that taken off, or what `moved` has in its place."""
    return path[len(base) :] if path.startswith(f"{base}/") else moved.get(path, path)


async def nobodys(origin: str) -> bool:
    """Where all registered origins are in the settings."""
    return False


class Dispatcher:
    """The ASGI application of the issuer, below its mount point."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        issuer: str,
        clock: Callable[[], float],
        registered_origins: frozenset[str],
        first_party_origins: frozenset[str],
        error_page: Callable[[Call, AdmitError], Response],
        observer: Observer | None = None,
        mend: Callable[[Call, Response], None] = lambda call, response: None,
        has_origin: Callable[[str], Awaitable[bool]] = nobodys,
    ) -> None:
        self.routes = tuple(routes)
        self._exact = {route.path: route for route in self.routes if "*" not in route.path}
        self._ready = {path: route for path, route in self._exact.items() if route.ready is not None}
        self._starred = {tuple(route.path.split("/")): route for route in self.routes if "*" in route.path}
        self._deepest = max(map(len, self._starred), default=0)
        self._host = urlsplit(issuer).netloc.lower()
        self._base = base = urlsplit(issuer).path
        # With a path, metadata lies at the root of the host as well, RFC 8414 §3.1; and the path itself is a page.
        self._moved = (
            {f"{path}{base}": path for path in self._exact if path.startswith(WELL_KNOWN)} if base else {}
        )
        self._moved |= {base: "/"} if base else {}
        self._clock = clock
        self._origins = {
            CorsPolicy.REGISTERED: registered_origins,
            CorsPolicy.REGISTERED_WITH_COOKIES: first_party_origins,
        }
        self._error_page = error_page
        self._mend = mend
        self._has_origin = has_origin
        self._observer = observer if observer is not None else Observer(Counts(), lambda refusal: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = perf_counter()
        path = path_of(scope)
        # A hot path: verifiers of everybody fetch keys and metadata.
        route = self._find_ready(scope, path)
        if route is not None and route.ready is not None:
            ready = route.ready()
            await send(dict(ready.start))
            await send({"type": "http.response.body", "body": ready.body})
            self._observer.answered_ready(
                route.path, perf_counter() - began, lambda: Call(scope, receive, self._clock())
            )
            return
        call = Call(scope, receive, self._clock())
        caller = scope.get("client")
        asking.FROM.set(caller[0] if caller else None)
        route = self._find(call, path) if path is not None else None
        try:
            response = await self._answer(call, path, route)
        except AdmitError as error:
            response = self._refuse(call, route, error)
        except Exception as cause:
            response = self._refuse(call, route, AdmitError(), cause=cause)
        if response.status_code >= 400 or call.refused is not None:
            response.headers["admit-error-id"] = call.request_id  # for `admit explain`
        if route is not None and route.face is Face.PAGE:
            self._mend(call, response)
        if route is not None:
            for name, value in (await self._cors(call, route)).headers:
                response.headers[name] = value
        seconds = None if isinstance(response, EventStream) else perf_counter() - began
        self._observer.answered(
            call, route.path if route is not None else None, response.status_code, seconds
        )
        await response(scope, receive, send)

    def _find_ready(self, scope: Scope, path: str | None) -> Route | None:
        """The route of an answer made beforehand, where that is all that is asked for."""
        if path is None or scope["method"] != "GET":
            return None
        route = self._ready.get(below(path, self._base, self._moved) if self._base else path)
        return route if route is not None and check_host(scope, self._host) else None

    def _find(self, call: Call, path: str) -> Route | None:
        if self._base:
            path = below(path, self._base, self._moved)
        route = self._exact.get(path)
        return route if route is not None else self._find_starred(call, path.split("/", self._deepest))

    def _find_starred(self, call: Call, segments: list[str]) -> Route | None:
        """The route with a `*` in place of one of these segments, the last that fits."""
        for place in range(len(segments) - 1, 0, -1):
            route = self._starred.get((*segments[:place], "*", *segments[place + 1 :]))
            if route is not None and segments[place]:
                call.path_value = segments[place]
                return route
        return None

    async def _answer(self, call: Call, path: str | None, route: Route | None) -> Response:
        if not check_host(call.scope, self._host):
            call.refused = error = answers.MisdirectedError("Host is not the issuer's")
            return answers.plain_error(error.status, error.code, error.public)
        if path is None:
            raise answers.NonCanonicalPathError("the path is spelled in another way than ours")
        if route is None:
            raise answers.NotFoundError
        if route.face is Face.PAGE:
            check_fetch(call.headers)
            if call.method == "POST" and route.exempt is None:
                check_submitted(call.headers)
        if call.scope["method"] == "OPTIONS":
            return await self._preflight(call, route)
        return await handler_of(route, call.scope["method"])(call)

    def _refuse(
        self, call: Call, route: Route | None, error: AdmitError, *, cause: Exception | None = None
    ) -> Response:
        self._observer.refused(call, route.path if route is not None else None, error, cause=cause)
        face = route.face if route is not None else self._face_at(call.scope["path"])
        response = (
            self._error_page(call, error) if face is Face.PAGE else answers.json_error(error, call.request_id)
        )
        if (wait := getattr(error, "retry_after", None)) is not None:
            response.headers["retry-after"] = str(int(wait))
        if isinstance(error, answers.MethodNotAllowedError):
            response.headers["allow"] = error.allow
        return response

    def _face_at(self, path: str) -> Face:
        """How it is told that there is nothing: below the API to a program, which reads no page."""
        return Face.JSON if path.removeprefix(self._base).startswith("/api/") else Face.PAGE

    async def _preflight(self, call: Call, route: Route) -> Response:
        verdict = await self._cors(call, route)
        if not (verdict.preflight and verdict.allowed):
            raise answers.MethodNotAllowedError(allow=allow(route))
        return Response(status_code=204)

    async def _cors(self, call: Call, route: Route) -> cors.CorsVerdict:
        origins = self._origins.get(route.cors, frozenset())
        if route.cors is CorsPolicy.REGISTERED and await self._is_kept(call, origins):
            origins = origins | {call.headers_of(b"origin")[0].decode("latin-1")}
        return cors.verdict(
            call.headers,
            call.scope["method"],
            policy=route.cors,
            origins=origins,
            methods=tuple(route.handlers),
            # What everybody may read has no challenge and no nonce to show.
            exposed=() if route.cors in _PUBLIC else cors.EXPOSED,
        )

    async def _is_kept(self, call: Call, known: frozenset[str]) -> bool:
        """Whether a client of the database has the one origin that the call names. A database that is away knows none:
        the answer is for its caller all the same, and only no script may read it.
        """
        sent = call.headers_of(b"origin")
        if len(sent) != 1 or (origin := sent[0].decode("latin-1")) in known or origin == "null":
            return False
        try:
            return await self._has_origin(origin)
        except AdmitError:
            return False
