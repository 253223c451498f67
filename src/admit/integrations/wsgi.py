"""The guard for WSGI applications: a wrapper that lets a request through with its `Principal`, or answers for it.

    guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))
    app = guard(app, "orders:read")                  # every request needs the scope
    app = guard.optional(app)                        # strangers pass; a bad credential is refused all the same

The application finds who is calling in its environ:

- `environ["admit.principal"]`: the `Principal`, or None for strangers where they may pass;
- `environ["admit.outcomes"]` is kept for guards further in, so that a request is verified once; it is anew where its
  method or its credential was changed in between.

The server has to hand `Authorization` over: mod_wsgi of Apache does by `WSGIPassAuthorization On`. It works in threads
and forked workers, preloaded or not. CORS middleware belongs outside of the guard: a preflight carries no credential.

A token in the query is refused, unless `QueryTokens` stands outside of the guard and takes it there.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from admit.errors import AdmitError
from admit.integrations import caching
from admit.integrations.gate import Gate, Kept, Outcome, still_holds
from admit.integrations.query_token import PRIVATE, QueryLinks
from admit.jose.waive import Waive
from admit.principal import Principal
from admit.verifier import policy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["PRINCIPAL", "Guard", "QueryTokens"]

PRINCIPAL: Final = "admit.principal"
"""The environ's key under which a wrapped application finds the `Principal`."""

OUTCOMES: Final = "admit.outcomes"
LET_IN: Final = "admit.let_in"
"""Whom each guard let in: one guard's principal is not another's."""

_ADDRESSES: Final = ("RAW_URI", "REQUEST_URI")
"""Where servers keep the URL as it was sent, for logs."""

_READ: Final = {
    "HTTP_AUTHORIZATION": b"authorization",
    "HTTP_COOKIE": b"cookie",
    "HTTP_ORIGIN": b"origin",
    "HTTP_SEC_FETCH_SITE": b"sec-fetch-site",
    "HTTP_X_CSRF_TOKEN": b"x-csrf-token",
}


class Guard(Gate):
    """Wraps WSGI applications; one guard may wrap several. Its arguments are those of `Gate`."""

    def __call__(
        self,
        app: "WSGIApplication",
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> "WSGIApplication":
        """The application, for those who have all these scopes, and the role and the group if named.

        `acr`: a class of sign-in, or several that will do; `max_age`: how long ago it may be (RFC 9470).

        Raises:
            ConfigError: a scope, role, group, class or age that can be none.
        """
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return Guarded(app, self, wanted, optional=False)

    def optional(
        self,
        app: "WSGIApplication",
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> "WSGIApplication":
        """The same, open to strangers: the principal is None where a request carries no credential at all."""
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return Guarded(app, self, wanted, optional=True)


class Guarded:
    """One application behind a guard."""

    def __init__(
        self, app: "WSGIApplication", gate: Gate, wanted: policy.Requirement, *, optional: bool
    ) -> None:
        self.app = app
        self._gate = gate
        self._wanted = wanted
        self._optional = optional

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            who = self._gate.check(outcome(self._gate, environ), self._wanted, optional=self._optional)
        except AdmitError as error:
            return deny(self._gate.refusal(error, self._wanted), environ, start_response)
        let_in(self._gate, environ, who)
        start = for_caches(start_response, somebody=who is not None, names=self._gate.carriers)
        return self.app(environ, start)


def for_caches(start_response: "StartResponse", *, somebody: bool, names: Sequence[str]) -> "StartResponse":
    """Answers as `caching` has them."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        told = caching.complete(headers, somebody=somebody, names=names)
        return start_response(status, told, *(() if exc_info is None else (exc_info,)))

    return start


def let_in(gate: Gate, environ: "WSGIEnvironment", who: Principal | None) -> None:
    """Tell what is further in whom this guard let in."""
    environ[PRINCIPAL] = who
    environ[LET_IN] = {**environ.get(LET_IN, {}), gate: who}


def let_in_by(gate: Gate, environ: "WSGIEnvironment") -> Principal | None:
    """Whom this very guard let in; None where it let strangers in, or was not asked."""
    who: Principal | None = environ.get(LET_IN, {}).get(gate)
    return who


def outcome(gate: Gate, environ: "WSGIEnvironment") -> Outcome:
    """What the request's credential came to, found out once a request."""
    headers, method, query = headers_of(environ), environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    outcomes: dict[Gate, Kept] = environ.setdefault(OUTCOMES, {})
    kept = outcomes.get(gate)
    if kept is not None and still_holds(kept, headers, method, query):
        return kept[0]
    found = gate.find(headers, method, query)
    outcomes[gate] = found, headers, method, query, False
    return found


def headers_of(environ: "WSGIEnvironment | dict[str, Any]") -> list[tuple[bytes, bytes]]:
    """The headers that say who is calling, as they were sent.

    A server joins a header that is there twice by a comma, which no credential has, so two are one malformed one.
    """
    return [
        # PEP 3333: octets as Latin-1. What is none of it is no octet of a credential.
        (name, environ[key].encode("latin-1", "replace"))
        for key, name in _READ.items()
        if key in environ
    ]


def deny(
    refusal: policy.Refusal, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Answer with a refusal."""
    body = refusal.body
    start_response(
        f"{refusal.status} {HTTPStatus(refusal.status).phrase}",
        [*refusal.headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class QueryTokens:
    """Takes a token from the query at the named `paths` and below, RFC 6750 §2.3: for `EventSource` and download links
    of who has no session.

        app = QueryTokens(app, Waive.QUERY_TOKEN, paths=["/files"])          # what the server runs, of any framework
        app.wsgi_app = QueryTokens(app.wsgi_app, Waive.QUERY_TOKEN, paths=["/files"])        # Flask

    Guards then find it in the Authorization header. It is taken out of the server's own environ before anything is
    called, so gunicorn logs a URL without it; proxies, Apache, uWSGI and wsgiref, which log what they read themselves,
    have seen it. Answers say `private, no-store` and `no-referrer`. Give such links tokens that live for a minute and
    can do one thing.

    Raises:
        ConfigError: `waived` is not `Waive.QUERY_TOKEN`, or no path is named.
    """

    def __init__(
        self, app: "WSGIApplication", waived: Literal[Waive.QUERY_TOKEN], *, paths: Collection[str]
    ) -> None:
        self.app = app
        self._links = QueryLinks(waived, paths)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        moved = None
        if query:
            path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
            moved = self._links.moved(headers_of(environ), method, path, query)
        if moved is None:
            return self.app(environ, start_response)
        environ["QUERY_STRING"] = moved.query
        for name in _ADDRESSES:
            if name in environ:
                environ[name] = environ[name].partition("?")[0] + (f"?{moved.query}" if moved.query else "")
        if moved.token is not None:
            environ = {**environ, "HTTP_AUTHORIZATION": f"Bearer {moved.token}"}
        return self.app(environ, privately(start_response))


def privately(start_response: "StartResponse") -> "StartResponse":
    """Answers that nobody keeps, and whose pages tell nobody where they are from."""
    names = {name.lower() for name, _ in PRIVATE}

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        others = [pair for pair in headers if pair[0].lower() not in names]
        return start_response(status, [*others, *PRIVATE], *(() if exc_info is None else (exc_info,)))

    return start
