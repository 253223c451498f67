"""Admit for Django REST framework.

    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["admit.integrations.django.rest_framework.AdmitAuthentication"],
        "EXCEPTION_HANDLER": "admit.integrations.django.rest_framework.exception_handler",
    }

    class Orders(APIView):
        permission_classes = [HasScope("orders:read") & HasRole("admin")]

`request.auth` is the principal, `request.user` the project's user of it (`ADMIT["USER"]`), else a `PrincipalUser`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, Final, cast

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AND, BasePermission, OperationHolderMixin
from rest_framework.request import Request
from rest_framework.response import Response

from admit.errors import (
    AdmitError,
    CredentialError,
    InsufficientScopeError,
    MissingCredentialError,
    TokenError,
    UnavailableError,
)
from admit.integrations.django.conf import current
from admit.integrations.django.middleware import active, find_user
from admit.integrations.django.requests import asked, for_caches, known, outcome
from admit.principal import Principal
from admit.verifier import policy

__all__ = [
    "AdmitAuthentication",
    "HasGroup",
    "HasRole",
    "HasScope",
    "PrincipalUser",
    "Refused",
    "SignedIn",
    "exception_handler",
]

_NOTED: Final = "_admit_refusal"
_MARKED: Final = "_admit_for_caches"


class Refused(exceptions.APIException):
    """The request's credential is not good, or cannot be checked. `cause_` is the error, for logs."""

    def __init__(self, refusal: policy.Refusal, error: AdmitError) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # its own class, which the setting of mypy does not reach
            {"error": refusal.error, "error_description": refusal.error_description}, refusal.error
        )
        headers = dict(refusal.headers)
        self.status_code = refusal.status
        self.auth_header = headers.get("WWW-Authenticate")
        self.wait = int(headers["Retry-After"]) if "Retry-After" in headers else None
        self.refusal = refusal
        self.cause_ = error


class PrincipalUser:
    """What `request.user` is where the project has no users of its own for principals."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def pk(self) -> str:
        """One value a user, for throttling and caches: of issuer and subject, in letters that any cache takes."""
        told = "\x00".join(self.principal.key).encode("utf-8", "surrogatepass")
        return hashlib.sha256(told).hexdigest()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """No: Django's permissions are of Django's users."""
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """No, whatever is asked."""
        return False

    def get_username(self) -> str:
        """The subject. It is unique with one issuer only."""
        return self.principal.subject

    def __str__(self) -> str:
        return self.get_username()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrincipalUser) and other.principal.key == self.principal.key

    def __hash__(self) -> int:
        return hash(self.principal.key)


class AdmitAuthentication(BaseAuthentication):
    """Authenticates by bearer token, and by session cookie where `ADMIT["SESSIONS"]` is set.

    A request without either goes to the next class of the list; a credential that is there and bad is refused.
    """

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        """The user and the principal.

        Raises:
            Refused: the credential is not good (400, 401, 403), or cannot be checked (503).
        """
        configured = current()
        _mark(request)
        try:
            principal = configured.gate.check(outcome(known(request)), optional=True)
        except AdmitError as error:
            raise Refused(configured.gate.refusal(error), error) from None
        if principal is None:
            return None
        if configured.user_of is None:
            return PrincipalUser(principal), principal
        return active(find_user(configured.user_of, principal)), principal

    def authenticate_header(self, request: Request) -> str:
        """The challenge for who sent nothing, with the scopes that were asked."""
        noted = vars(known(request)).get(_NOTED)
        refusal = noted or current().gate.refusal(MissingCredentialError())
        return str(dict(refusal.headers).get("WWW-Authenticate", "Bearer"))


def _mark(request: Request) -> None:
    """The view's answer will say what `caching` tells, with the middleware and without."""
    view = (request.parser_context or {}).get("view")
    if view is None or _MARKED in vars(view):
        return
    finalize = view.finalize_response

    def finalized(*args: Any, **more: Any) -> Any:
        return for_caches(finalize(*args, **more), asked(known(request)))

    vars(view)[_MARKED] = True
    view.finalize_response = finalized


class _Has(OperationHolderMixin, BasePermission):
    """A permission with arguments: REST framework calls what stands in `permission_classes`."""

    def __init__(self, wanted: policy.Requirement = policy.ANYBODY) -> None:
        self.wanted = wanted

    def __call__(self) -> "_Has":
        return self

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the principal that REST framework authenticated has what is asked.

        Raises:
            Refused: it cannot be told: neither yes nor no.
        """
        gate = current().gate
        try:
            gate.check(request.auth if isinstance(request.auth, Principal) else None, self.wanted)
        except UnavailableError as error:
            raise Refused(gate.refusal(error, self.wanted), error) from None
        except AdmitError as error:
            # A client that comes back with a token for this permission alone would only be refused by the next one.
            needed = policy.requirement(self.wanted.scopes | asked_scopes(view.get_permissions()))
            refused = error
            if isinstance(error, InsufficientScopeError):
                refused = InsufficientScopeError(str(error), scope=needed.scope_text)
            vars(known(request))[_NOTED] = gate.refusal(refused, needed)
            return False
        return True


class HasScope(_Has):
    """All these scopes; without any, whoever has a principal: `[HasScope("orders:read")]`, `[HasScope]`.

    Raises:
        ConfigError: a scope that can be none.
    """

    def __init__(self, *scopes: str) -> None:
        super().__init__(policy.requirement(scopes))


def asked_scopes(permissions: Iterable[Any]) -> frozenset[str]:
    """The scopes that a view asks in any case: of permissions that are joined, only those joined by `&`."""
    found: set[str] = set()
    for one in permissions:
        if isinstance(one, HasScope):
            found |= one.wanted.scopes
        elif isinstance(one, AND):
            found |= asked_scopes((one.op1, one.op2))
    return frozenset(found)


class HasRole(_Has):
    """This role.

    Raises:
        ConfigError: a role that can be none.
    """

    def __init__(self, role: str) -> None:
        super().__init__(policy.requirement((), role=role))


class HasGroup(_Has):
    """This group.

    Raises:
        ConfigError: a group that can be none.
    """

    def __init__(self, group: str) -> None:
        super().__init__(policy.requirement((), group=group))


class SignedIn(_Has):
    """A sign-in of one of the classes `acr`, at most `max_age` ago, RFC 9470.

    Raises:
        ConfigError: a class or an age that can be none.
    """

    def __init__(self, *, acr: str | Sequence[str] = (), max_age: timedelta | None = None) -> None:
        super().__init__(policy.requirement((), acr=acr, max_age=max_age))


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's own, but refusals have the challenge and the body that every guard of Admit gives them."""
    # Its views ask the settings for their classes, and those are in this module.
    from rest_framework import views

    if isinstance(exc, TokenError | CredentialError | UnavailableError):
        exc = Refused(current().gate.refusal(exc), exc)
    response: Response | None = views.exception_handler(exc, context)
    refusal = exc.refusal if isinstance(exc, Refused) else _of_ours(exc, context)
    if response is not None and refusal is not None:
        response.data = {"error": refusal.error, "error_description": refusal.error_description}
        response.status_code = refusal.status
        for name, value in refusal.headers:
            response[name] = value
    return response


def _of_ours(exc: Exception, context: Mapping[str, Any]) -> policy.Refusal | None:
    """What Admit says to a refusal that REST framework made."""
    request = context.get("request")
    if request is None:
        return None
    noted = cast("policy.Refusal | None", vars(known(request)).get(_NOTED))
    if isinstance(exc, exceptions.PermissionDenied):
        return noted
    if isinstance(exc, exceptions.NotAuthenticated):
        if noted is not None:
            return noted
        if any(isinstance(one, AdmitAuthentication) for one in request.authenticators):
            return current().gate.refusal(MissingCredentialError())
    return None


if find_spec("drf_spectacular") is not None:
    from admit.integrations.django import spectacular as spectacular  # registers itself by being there
