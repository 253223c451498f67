"""The middleware: requests know their principal, and refusals raised in views become answers."""

from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from admit.errors import AdmitError, CredentialError, CsrfError, SessionError, TokenError, UnavailableError
from admit.integrations.django.conf import UserOf, current
from admit.integrations.django.requests import (
    Users,
    answer,
    aoutcome,
    asked,
    for_caches,
    known,
    outcome,
    was_asked,
)
from admit.integrations.gate import Outcome
from admit.principal import Principal


class AdmitMiddleware:
    """Gives each request `principal` and `aprincipal()`, found when they are first asked for.

    What they raise becomes the answer: JSON with a challenge. Where `ADMIT["USER"]` is set, `request.user` and
    `request.auser()` are the project's user of the principal; then it stands below `AuthenticationMiddleware`, whose
    user stays where the request carries no credential, or only a cookie that is not (or no longer) good.

    Raises:
        SettingError: `ADMIT` is wrong; the process does not start.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._user_of = current().user_of
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        ours = known(request)
        if self._user_of is not None:
            before = getattr(request, "user", None), getattr(request, "auser", None)
            found = partial(_user, request, self._user_of, before[0])
            Users(partial(SimpleLazyObject, found)).give(ours)
            request.auser = partial(_auser, request, self._user_of, before[1])
        if iscoroutinefunction(self):
            return self._later(request)
        return _for_caches(request, self._get_response(request))

    async def _later(self, request: HttpRequest) -> Any:
        return _for_caches(request, await self._get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Refusals only: whatever else a view raises is Django's to report."""
        if not isinstance(exception, TokenError | CredentialError | UnavailableError):
            return None
        return answer(current().gate.refusal(exception))


def _for_caches(request: HttpRequest, response: Any) -> Any:
    return for_caches(response, asked(request)) if was_asked(request) else response


def active(user: Any) -> Any:
    """The user, unless there is none or it was disabled: then nobody, as Django has it."""
    if user is not None and getattr(user, "is_active", True):
        return user
    return nobody()


def nobody() -> Any:
    """Django's user for who is not signed in."""
    from django.contrib.auth.models import AnonymousUser  # not before the applications are ready

    return AnonymousUser()


def find_user(user_of: UserOf, principal: Principal) -> Any:
    """Ask the project's function, in a thread."""
    return async_to_sync(user_of)(principal) if iscoroutinefunction(user_of) else user_of(principal)


def _user(request: HttpRequest, user_of: UserOf, before: Any) -> Any:
    found = outcome(request)
    if _by_others(request, found):
        return nobody() if before is None else before
    who = _good(found)
    return nobody() if who is None else active(find_user(user_of, who))


async def _auser(request: HttpRequest, user_of: UserOf, before: Any) -> Any:
    found = await aoutcome(request)
    if _by_others(request, found):
        return nobody() if before is None else await before()
    who = _good(found)
    if who is None:
        return nobody()
    user = user_of if iscoroutinefunction(user_of) else sync_to_async(user_of)
    return active(await user(who))


def _by_others(request: HttpRequest, found: Outcome) -> bool:
    """Whether someone else may say who this is. Browsers send an old cookie unasked."""
    if isinstance(found, TokenError):
        return "HTTP_AUTHORIZATION" not in request.META
    return found is None or isinstance(found, SessionError | CsrfError)


def _good(found: Outcome) -> Principal | None:
    """The principal; None where the credential is not good: templates and middleware ask for `request.user`, and a
    refusal is not for them to give.

    Raises:
        AdmitError: it cannot be told.
    """
    if isinstance(found, AdmitError) and not isinstance(found, TokenError | CredentialError):
        raise found.with_traceback(None)
    return found if isinstance(found, Principal) else None
