"""What stands before a view: `@requires` for functions and classes, and `RequiresMixin` for classes.

A guarded view is exempt from Django's CSRF check, since Admit's own rule was held when its principal was found: a
bearer token is never attached by a browser unasked, and a session cookie changes nothing without Admit's token. Where a
view is open to strangers (`optional`), Django's check is made for those who carry no credential of Admit.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache, wraps
from inspect import isawaitable
from typing import Any, Final, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.views import View

from admit.errors import AdmitError, ConfigError
from admit.integrations.django.conf import current
from admit.integrations.django.requests import answer, aoutcome, for_caches, known, outcome
from admit.integrations.gate import Outcome
from admit.verifier import policy

_View = TypeVar("_View", bound=Callable[..., Any])


def requires(
    *scopes: str,
    role: str | None = None,
    group: str | None = None,
    acr: str | Sequence[str] = (),
    max_age: timedelta | None = None,
    optional: bool = False,
) -> Callable[[_View], _View]:
    """Let a view be reached only by a principal that has all these scopes, and the role and the group if named.

    `acr`: a class of sign-in, or several that will do; `max_age`: how long ago it may be (RFC 9470). `optional` lets
    in strangers too, for whom `request.principal` is None; a credential that is there and bad is refused all the same,
    and so is one without what is asked.

    It decorates functions and classes, sync and async, and needs no middleware.

    Raises:
        ConfigError: a scope, role, group, class or age that can be none.
    """
    wanted = policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)

    def decorate(view: Any) -> Any:
        if isinstance(view, type):
            return method_decorator(decorate, name="dispatch")(view)
        return _guarded(view, wanted, optional)

    return decorate


class RequiresMixin:
    """For class-based views, first among the bases: `class Orders(RequiresMixin, View)`.

    The attributes say what `requires` is told.

    Raises:
        ConfigError: when the class is made: it has it behind its view class, where it would guard nothing, or asks by
            an attribute that is none of these, or for what can be none.
    """

    required_scopes: Sequence[str] = ()
    required_role: str | None = None
    required_group: str | None = None
    required_acr: str | Sequence[str] = ()
    required_max_age: timedelta | None = None
    optional: bool = False

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        order = cls.__mro__
        if View in order and order.index(View) < order.index(RequiresMixin):
            raise ConfigError(
                "RequiresMixin stands first among a class's bases; behind the view it guards nothing"
            )
        for name in {name for one in order for name in vars(one)}:
            if name not in _ATTRIBUTES and name.startswith("required_"):
                raise ConfigError(
                    f"RequiresMixin reads no {name!r}, so it would ask nothing;"
                    f" it reads {', '.join(sorted(_ATTRIBUTES))}"
                )
        if not any(isinstance(getattr(cls, name), property) for name in _ATTRIBUTES):
            _asked_by(cls)  # what can be none is told now

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The view's own dispatch, behind the guard."""
        view: Callable[..., Any] = super().dispatch  # type: ignore[misc]  # of the view class beside this one
        return _guarded(view, _asked_by(self), self.optional)(request, *args, **kwargs)

    dispatch.csrf_exempt = True  # type: ignore[attr-defined]  # Django reads it from the function


_ATTRIBUTES: Final = frozenset(
    name for name in vars(RequiresMixin)["__annotations__"] if name.startswith("required_")
)


def _asked_by(view: Any) -> policy.Requirement:
    """What a class, or a view of it, asks.

    Raises:
        ConfigError: a scope, role, group, class or age that can be none; `required_scopes` are several.
    """
    scopes, classes = view.required_scopes, view.required_acr
    return _requirement(
        scopes if isinstance(scopes, str) else tuple(scopes),
        view.required_role,
        view.required_group,
        classes if isinstance(classes, str) else tuple(classes),
        view.required_max_age,
    )


@lru_cache(maxsize=1_024)
def _requirement(
    scopes: tuple[str, ...] | str,
    role: str | None,
    group: str | None,
    acr: tuple[str, ...] | str,
    max_age: timedelta | None,
) -> policy.Requirement:
    return policy.requirement(scopes, role=role, group=group, acr=acr, max_age=max_age)


def _guarded(view: Callable[..., Any], wanted: policy.Requirement, optional: bool) -> Callable[..., Any]:
    async def later(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        asked = known(request)
        found = await aoutcome(asked)
        refused = _refused(found, wanted, optional)
        if refused is None and found is None:
            refused = await sync_to_async(_django_csrf)(asked)
        if refused is not None:
            return refused
        response = view(request, *args, **kwargs)
        return for_caches(await response if isawaitable(response) else response, found)

    if _is_async(view):
        guarded: Callable[..., Any] = wraps(view)(later)
    else:

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            asked = known(request)
            found = outcome(asked)
            refused = _refused(found, wanted, optional)
            if refused is None and found is None:
                refused = _django_csrf(asked)
            return for_caches(view(request, *args, **kwargs), found) if refused is None else refused

    guarded.csrf_exempt = True  # type: ignore[attr-defined]  # Django reads it from the function
    return guarded


def _is_async(view: Any) -> bool:
    """Whether the caller awaits what the view gives. A class's `dispatch` is a plain function in any case."""
    owner = getattr(getattr(view, "func", view), "__self__", None)
    return iscoroutinefunction(view) or bool(getattr(owner, "view_is_async", False))


def _refused(found: Outcome, wanted: policy.Requirement, optional: bool) -> HttpResponse | None:
    """The answer to who may not go on; None for who may."""
    gate = current().gate
    try:
        gate.check(found, wanted, optional=optional)
    except AdmitError as error:
        return answer(gate.refusal(error, wanted))
    return None


def _django_csrf(request: HttpRequest) -> HttpResponse | None:
    """Django's own check, where the project has it: such a request may still speak by Django's session."""
    if not _checks_csrf(tuple(settings.MIDDLEWARE)):
        return None
    check = CsrfViewMiddleware(_nothing)
    check.process_request(request)
    refused: HttpResponse | None = check.process_view(request, None, (), {})
    return refused


def _nothing(request: HttpRequest) -> HttpResponse:
    """Stands for the rest of the project, which a check does not call."""
    return HttpResponse()


@lru_cache(maxsize=8)
def _checks_csrf(names: tuple[str, ...]) -> bool:
    found = [import_string(name) for name in names]
    return any(isinstance(one, type) and issubclass(one, CsrfViewMiddleware) for one in found)
