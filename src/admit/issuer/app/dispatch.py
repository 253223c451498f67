"""From an ASGI call to an endpoint: host, path, method, origin, and one place where errors become answers.

A table of rows decides everything that can be decided before an endpoint runs. Paths are matched exactly as they came
(a percent-encoded or doubled slash is another path, and no path of ours), so a proxy in front and Admit never
disagree about what is asked.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from starlette.responses import Response

from admit.credentials import cors
from admit.credentials.cors import CorsPolicy
from admit.errors import AdmitError
from admit.issuer.app import answers
from admit.issuer.app.api.described import Operation
from admit.issuer.app.call import Call, Receive, Scope, Send

log = logging.getLogger("admit.issuer")

Handler = Callable[[Call], Awaitable[Response]]


class Face(Enum):
    """How an error of this route is told: a page for people, or JSON for programs."""

    PAGE = "page"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path below the issuer. A `*` in it matches any one segment, given as `call.path_value`.

    `told` describes methods for the API's OpenAPI document, where the segment is called `value`. `exempt` says why
    state-changing methods here need no CSRF token (contracts §4's written table); None means they do.
    """

    path: str
    handlers: Mapping[str, Handler]
    face: Face
    cors: CorsPolicy = CorsPolicy.NOBODY
    exempt: str | None = None
    value: str = ""
    told: Mapping[str, Operation] = field(default_factory=dict)


def check_host(scope: Scope, expected: str) -> bool:
    """RFC 9110 §7.2: exactly one Host, and it is the issuer's."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and hosts[0].decode("latin-1").lower() == expected


def handler_of(route: Route, method: str) -> Handler:
    """What answers this method here. No header or parameter stands for another method.

    Raises:
        MethodNotAllowedError: the route does not take it.
    """
    handler = route.handlers.get(method)
    if handler is None:
        raise answers.MethodNotAllowedError(allow=allow(route))
    return handler


def allow(route: Route) -> str:
    """The value of `Allow`, RFC 9110 §10.2.1."""
    return ", ".join(sorted({*route.handlers, *({"HEAD"} if "GET" in route.handlers else ())}))


_PUBLIC = frozenset({CorsPolicy.EVERYBODY, CorsPolicy.EVERYBODY_WHO_ASKS})


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
    ) -> None:
        self.routes = tuple(routes)
        self._exact = {route.path: route for route in self.routes if "*" not in route.path}
        self._starred = {tuple(route.path.split("/")): route for route in self.routes if "*" in route.path}
        self._deepest = max(map(len, self._starred), default=0)
        self._host = urlsplit(issuer).netloc.lower()
        self._base = urlsplit(issuer).path
        self._clock = clock
        self._origins = {
            CorsPolicy.REGISTERED: registered_origins,
            CorsPolicy.REGISTERED_WITH_COOKIES: first_party_origins,
        }
        self._error_page = error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        call = Call(scope, receive, self._clock())
        route = self._find(call)
        try:
            response = await self._answer(call, route)
        except AdmitError as error:
            response = self._refuse(call, route, error)
        except Exception:
            log.exception("unexpected error", extra={"request_id": call.request_id})
            response = self._refuse(call, route, AdmitError())
        if route is not None:
            for name, value in self._cors(call, route).headers:
                response.headers[name] = value
        await response(scope, receive, send)

    def _find(self, call: Call) -> Route | None:
        path = call.scope["path"]
        raw = call.scope.get("raw_path")
        if raw is not None and raw.split(b"?")[0] != path.encode("utf-8", "replace"):
            return None
        if self._base and path.startswith(self._base + "/"):
            path = path[len(self._base) :]
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

    async def _answer(self, call: Call, route: Route | None) -> Response:
        if not check_host(call.scope, self._host):
            return answers.plain_error(421, "misdirected_request", "This host is not served here.")
        if route is None:
            raise answers.NotFoundError
        if call.scope["method"] == "OPTIONS":
            return self._preflight(call, route)
        return await handler_of(route, call.method)(call)

    def _refuse(self, call: Call, route: Route | None, error: AdmitError) -> Response:
        if error.status >= 500:
            log.warning("refused", extra={"code": error.code, "request_id": call.request_id})
        else:
            log.info(
                "refused", extra={"code": error.code, "request_id": call.request_id, "detail": error.detail}
            )
        face = route.face if route is not None else Face.PAGE
        response = (
            self._error_page(call, error) if face is Face.PAGE else answers.json_error(error, call.request_id)
        )
        if (wait := getattr(error, "retry_after", None)) is not None:
            response.headers["retry-after"] = str(int(wait))
        if isinstance(error, answers.MethodNotAllowedError):
            response.headers["allow"] = error.allow
        return response

    def _preflight(self, call: Call, route: Route) -> Response:
        verdict = self._cors(call, route)
        if not (verdict.preflight and verdict.allowed):
            raise answers.MethodNotAllowedError(allow=allow(route))
        return Response(status_code=204)

    def _cors(self, call: Call, route: Route) -> cors.CorsVerdict:
        return cors.verdict(
            call.headers,
            call.scope["method"],
            policy=route.cors,
            origins=self._origins.get(route.cors, frozenset()),
            methods=tuple(route.handlers),
            # What everybody may read has no challenge and no nonce to show.
            exposed=() if route.cors in _PUBLIC else cors.EXPOSED,
        )
