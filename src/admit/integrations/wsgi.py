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
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from admit.errors import AdmitError
from admit.integrations.gate import Gate, Kept, Outcome, still_holds
from admit.verifier import policy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["PRINCIPAL", "Guard"]

PRINCIPAL: Final = "admit.principal"
"""The environ's key under which a wrapped application finds the `Principal`."""

OUTCOMES: Final = "admit.outcomes"

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
        environ[PRINCIPAL] = who
        return self.app(environ, start_response)


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
