"""The guard for Flask: a decorator for views, and a guard of whole blueprints.

    guard = Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))

    @app.get("/api/orders")
    @guard("orders:read", role="admin")
    def orders():
        return {"subject": guard.principal.subject}

`guard.optional()` is for views that are open to strangers, `guard.protect(blueprint, "orders:read")` for every view of
a blueprint or application, and `decorators = [guard("orders:read")]` for class-based views. A request is verified once
however many guards it meets. Views may be coroutines.

It stands below the route, as decorators of views do in Flask: above it, the route has the bare view, and nothing would
guard it. An application that has such a view answers no request.

A refusal is raised as `Refused`, an `HTTPException` of werkzeug: handlers for it, for its status or for werkzeug's
class of that status replace the answer. Flask answers OPTIONS by itself, without calling a view or its guard.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeVar, cast
from weakref import WeakSet

from flask import Blueprint, Flask, after_this_request, current_app, request, request_started
from werkzeug import exceptions
from werkzeug.wrappers import Response

from admit.errors import AdmitError, ConfigError, MissingCredentialError
from admit.integrations import caching, wsgi
from admit.integrations.gate import Gate
from admit.principal import Principal
from admit.verifier import policy

__all__ = ["Guard", "Refused"]

F = TypeVar("F", bound=Callable[..., Any])


class Refused(exceptions.HTTPException):
    """Nobody is let in. Answered as `{"error": …, "error_description": …}` with its challenge, RFC 6750 §3.

    `refusal` is the answer, `cause_` the error, for logs.
    """

    base: ClassVar[type[exceptions.HTTPException]] = exceptions.HTTPException

    def __init__(self, refusal: policy.Refusal, error: AdmitError) -> None:
        super().__init__(refusal.error_description)
        self.code = refusal.status
        self.refusal = refusal
        self.cause_ = error

    def get_response(self, *_: Any, **__: Any) -> Response:
        """The answer, by whoever asks for it: Flask itself, or a handler that only adds something."""
        refusal = self.refusal
        return Response(refusal.body, refusal.status, list(refusal.headers), content_type="application/json")


def _of_status(base: type[exceptions.HTTPException]) -> type[Refused]:
    """Refusals that are werkzeug's exception of their status too, since Flask finds handlers by class."""
    return cast(type[Refused], type(f"Refused{base.__name__}", (Refused, base), {"__doc__": Refused.__doc__}))


_BY_STATUS: Final[Mapping[int | None, type[Refused]]] = MappingProxyType(
    {
        base.code: _of_status(base)
        for base in (
            exceptions.BadRequest,
            exceptions.Unauthorized,
            exceptions.Forbidden,
            exceptions.RequestHeaderFieldsTooLarge,
            exceptions.InternalServerError,
            exceptions.ServiceUnavailable,
        )
    }
)


class Guard(Gate):
    """Guards views and blueprints. Its arguments are those of `Gate`; one guard serves several applications."""

    def __call__(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> Callable[[F], F]:
        """A decorator for a view, below its route, that wants all these scopes, and the role and the group if named.

        `acr`: a class of sign-in, or several that will do; `max_age`: how long ago it may be (RFC 9470).

        Raises:
            ConfigError: a scope, role, group, class or age that can be none.
        """
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return lambda view: self._guarded(view, wanted, optional=False)

    def optional(
        self,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> Callable[[F], F]:
        """The same for views that are open to strangers; a credential that is there and bad is refused."""
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)
        return lambda view: self._guarded(view, wanted, optional=True)

    def protect(
        self,
        views: Flask | Blueprint,
        *scopes: str,
        role: str | None = None,
        group: str | None = None,
        acr: str | Sequence[str] = (),
        max_age: timedelta | None = None,
    ) -> None:
        """Guard every view of a blueprint or an application, static files too.

        OPTIONS that Flask answers by itself passes, as beside the decorator: it comes to no view, and a browser's
        preflight carries no credential. A view's own OPTIONS is guarded, and so is an address that is none.

        Raises:
            ConfigError: a scope, role, group, class or age that can be none.
        """
        wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)

        def enter() -> None:
            if not _answered_by_flask():
                self._enter(wanted, optional=False)

        views.before_request(enter)

    @property
    def principal(self) -> Principal:
        """Who makes the current request, once this very guard let them in.

        Raises:
            Refused: nobody, in a view that is open to strangers or not guarded by this guard: 401.
        """
        who = self.visitor
        if who is None:
            raise self._refused(MissingCredentialError(), policy.ANYBODY)
        return who

    @property
    def visitor(self) -> Principal | None:
        """The same in a view that is open to strangers: None for them."""
        return wsgi.let_in_by(self, request.environ)

    def _guarded(self, view: F, wanted: policy.Requirement, *, optional: bool) -> F:
        @wraps(view)
        def guarded(*args: Any, **more: Any) -> Any:
            self._enter(wanted, optional=optional)
            return current_app.ensure_sync(view)(*args, **more)

        _remember(view)
        return cast(F, guarded)

    def _enter(self, wanted: policy.Requirement, *, optional: bool) -> None:
        environ = request.environ
        try:
            who = self.check(wsgi.outcome(self, environ), wanted, optional=optional)
        except AdmitError as error:
            raise self._refused(error, wanted) from None
        wsgi.let_in(self, environ, who)
        after_this_request(self._for_somebody if who is not None else self._for_strangers)

    def _for_somebody(self, response: Response) -> Response:
        caching.mark(response.headers, somebody=True, names=self.carriers)
        return response

    def _for_strangers(self, response: Response) -> Response:
        caching.mark(response.headers, somebody=False, names=self.carriers)
        return response

    def _refused(self, error: AdmitError, wanted: policy.Requirement) -> Refused:
        refusal = self.refusal(error, wanted)
        return _BY_STATUS.get(refusal.status, Refused)(refusal, error)


def _answered_by_flask() -> bool:
    """Whether this is OPTIONS at an address whose views leave it to Flask."""
    return request.method == "OPTIONS" and bool(getattr(request.url_rule, "provide_automatic_options", False))


_GUARDED_VIEWS: Final[WeakSet[Any]] = WeakSet()
"""The bare views that guards were put above."""

_CHECKED: Final[WeakSet[Flask]] = WeakSet()
"""The applications that have answered: Flask takes no route afterwards."""


def _layers(view: Any) -> Iterator[Any]:
    """A view, and what decorators that say so wrapped it around."""
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)


def _remember(view: Any) -> None:
    for layer in _layers(view):
        try:
            _GUARDED_VIEWS.add(layer)
        except TypeError:
            continue  # it has no weak references, or no hash: no function


def _check_order(app: Flask, **_: Any) -> None:
    """No view of the application was registered without the guard that stands above it. Asked before its first answer:
    where the guard is put on, nobody can tell where the view was registered before.

    A view that is registered both with its guard and without was meant so.

    Raises:
        ConfigError: one was.
    """
    if app in _CHECKED:
        return
    views = app.view_functions
    meant = {id(layer) for view in views.values() for layer in _layers(getattr(view, "__wrapped__", None))}
    for name, view in views.items():
        if id(view) not in meant and inspect.isfunction(view) and view in _GUARDED_VIEWS:
            raise ConfigError(
                f"nothing guards the view {name!r}: its guard stands above the route; put @guard(...) below it"
            )
    _CHECKED.add(app)


request_started.connect(_check_order)
