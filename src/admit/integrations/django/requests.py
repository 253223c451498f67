"""A request that knows its principal: found once a request, when somebody asks.

Anew where its method or its credential was changed since.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from admit.errors import ConfigError, MissingCredentialError
from admit.integrations import caching
from admit.integrations.django.conf import current
from admit.integrations.gate import Headers, Kept, Outcome, Waiting, still_holds
from admit.integrations.wsgi import headers_of
from admit.principal import Principal
from admit.verifier import policy

_Parts: TypeAlias = tuple[Headers, str, str]

_KEPT: Final = "_admit_outcome"
_USERS: Final = "_admit_users"
_UPDATE_CACHE: Final = "_cache_update_cache"
"""Where Django's `CacheMiddleware` and `cache_page` note whether they may keep the answer."""


class AdmitRequest(HttpRequest):
    """What views get where `AdmitMiddleware` or `@requires` stands before them; name it in annotations."""

    @property
    def principal(self) -> Principal | None:
        """Who the request speaks for; None where it carries no credential.

        Raises:
            AdmitError: its credential is not good. `AdmitMiddleware` makes the answer.
            SynchronousOnlyOperation: asked for in an event loop before `aprincipal` or `@requires` found it.
        """
        return _told(outcome(self))

    async def aprincipal(self) -> Principal | None:
        """The same in async views: `await request.aprincipal()`.

        Raises:
            AdmitError: its credential is not good. `AdmitMiddleware` makes the answer.
        """
        return _told(await aoutcome(self))

    @property
    def user(self) -> Any:
        """The project's user, or Django's own; like the principal anew for a request that was changed."""
        users = cast("Users | None", vars(self).get(_USERS))
        if users is not None:
            return users.of(_parts(self))
        try:
            return vars(self)["user"]
        except KeyError:
            raise AttributeError("the request has no user: no middleware gave it one") from None

    @user.setter
    def user(self, value: Any) -> None:
        vars(self).pop(_USERS, None)
        vars(self)["user"] = value


class Users:
    """A request's users: as long as it stays the same, the same one. `make` gives a lazy one."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._for: _Parts | None = None
        self._user: Any = None

    def of(self, parts: _Parts) -> Any:
        """The user of a request of these parts."""
        if self._for is None or not still_holds((None, *self._for, False), *parts):
            self._user, self._for = self._make(), parts
        return self._user

    def give(self, request: AdmitRequest) -> None:
        """From now on the request's users are these."""
        vars(request)[_USERS] = self


def principal(request: Any) -> Principal:
    """Who makes this request, in a view that strangers do not reach: `principal(request)`.

    It is `request.principal` with the type that a guarded view may rely on, for any request: Django's, REST
    framework's, or one annotated as `HttpRequest`.

    Raises:
        AdmitError: nobody (`MissingCredentialError`), or the credential is not good. `AdmitMiddleware` and REST
            framework's handler make the answer.
        SynchronousOnlyOperation: asked for in an event loop before `aprincipal` or `@requires` found it.
    """
    who = known(request).principal
    if who is None:
        raise MissingCredentialError
    return who


def _told(found: Outcome) -> Principal | None:
    return current().gate.check(found, optional=True)


def known(request: Any) -> AdmitRequest:
    """Django's request itself, from now on with `principal` and `aprincipal`; REST framework's stands around it.

    It is given a class of its own since a lazy object in an attribute could not be compared with None by `is`.
    """
    request = plain(request)
    if not isinstance(request, AdmitRequest):
        kind: Any = type(request)
        request.__class__ = _class_of(kind)
    return cast(AdmitRequest, request)


def plain(request: Any) -> HttpRequest:
    """Django's own request: REST framework wraps it.

    Raises:
        ConfigError: it is none: the decorator stands on a method, whose first argument is the view.
    """
    found = request if isinstance(request, HttpRequest) else getattr(request, "_request", None)
    if not isinstance(found, HttpRequest):
        raise ConfigError("requires(...) stands on functions and classes; on a method, by method_decorator")
    return found


@lru_cache(maxsize=64)
def _class_of(kind: type[HttpRequest]) -> type[HttpRequest]:
    return type(kind.__name__, (AdmitRequest, kind), {"__module__": kind.__module__})


def in_loop() -> bool:
    """Whether an event loop runs in this thread, which nothing may hold up."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def outcome(request: HttpRequest) -> Outcome:
    """What the request's credential came to.

    Raises:
        SynchronousOnlyOperation: it is not known yet, and this is an event loop.
    """
    not_to_be_cached(request)
    parts = _parts(request)
    kept = _kept(request, parts)
    if kept is None:
        if in_loop():
            raise SynchronousOnlyOperation("Use `await request.aprincipal()` in async views and middleware.")
        kept = _keep(request, parts, current().gate.find(*parts))
    return kept[0]


async def aoutcome(request: HttpRequest) -> Outcome:
    """What the request's credential came to, without holding up the event loop."""
    not_to_be_cached(request)
    parts = _parts(request)
    kept = _kept(request, parts)
    if kept is None:
        gate = current().gate
        found = gate.look(*parts)
        kept = _keep(request, parts, await gate.wait_async(found) if isinstance(found, Waiting) else found)
    return kept[0]


def not_to_be_cached(request: HttpRequest) -> None:
    """Whose answer depends on who asks, Django's own cache does not keep: `cache_page` goes by the `Vary` that a view
    itself set, and knows nothing of tokens that were revoked since.

    Where a guard stands outside of `cache_page`, and the view within does not ask, it still keeps one for everybody.
    """
    vars(request)[_UPDATE_CACHE] = False


def for_caches(response: Any, found: Outcome) -> Any:
    """An answer for which this outcome was asked, as `caching` has it."""
    if isinstance(response, HttpResponseBase):
        names = current().gate.carriers
        vary, told = response.get("Vary", ""), response.has_header("Cache-Control")
        somebody = isinstance(found, Principal)
        for name, value in caching.additions([vary], told, somebody=somebody, names=names):
            response[name] = value
    return response


def asked(request: HttpRequest) -> Outcome:
    """The outcome that somebody asked for; None too where nobody did."""
    kept = cast("Kept | None", vars(request).get(_KEPT))
    return None if kept is None else kept[0]


def was_asked(request: HttpRequest) -> bool:
    """Whether anybody asked for the outcome."""
    return _KEPT in vars(request)


def _kept(request: HttpRequest, parts: _Parts) -> Kept | None:
    """What was found before, if the request is still the same."""
    kept = cast("Kept | None", vars(request).get(_KEPT))
    return kept if kept is not None and still_holds(kept, *parts) else None


def _keep(request: HttpRequest, parts: _Parts, found: Outcome) -> Kept:
    kept = vars(request)[_KEPT] = found, *parts, False
    return kept


def _parts(request: HttpRequest) -> _Parts:
    """Headers, method and query, as the gate reads them."""
    scope: Any = getattr(request, "scope", None)
    headers: Headers
    if scope is not None:
        headers = list(scope["headers"])
    else:
        headers = headers_of(request.META)
    return headers, request.method or "", request.META.get("QUERY_STRING", "")


def answer(refusal: policy.Refusal) -> HttpResponse:
    """The refusal as Django answers it."""
    return HttpResponse(
        refusal.body, status=refusal.status, headers=dict(refusal.headers), content_type="application/json"
    )
