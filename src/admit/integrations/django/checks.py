"""System checks: `manage.py check` tells what is wrong before the first request.

E001: `ADMIT` is not set. E002: it has a key that nobody reads. E003: a value that cannot be. E004: it names what cannot
be imported, or is none. E005: parts that do not fit together. E006: the middleware stands above the one that sets
`request.user`. W001: `USER` is set, and nothing asks for it. W002: REST framework's answers lack the challenge. W003,
with `--deploy`: an issuer without https. All begin with `admit.`
"""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from admit.integrations.django.conf import SettingError, current

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
HANDLER = "admit.integrations.django.rest_framework.exception_handler"


def check_settings(app_configs: Any, **_: object) -> Iterable[CheckMessage]:
    """E001 to E005: what `ADMIT` says."""
    try:
        current()
    except SettingError as error:
        return [Error(str(error), id=error.check_id)]
    return []


def check_middleware(app_configs: Any, **_: object) -> Iterable[CheckMessage]:
    """E006 and W001: where the middleware stands."""
    try:
        if current().user_of is None:
            return []
    except SettingError:
        return []  # told by check_settings
    names = list(settings.MIDDLEWARE)
    ours = [at for at, name in enumerate(names) if _is_ours(name)]
    if not ours:
        if apps.is_installed("rest_framework"):
            return []
        return [
            Warning(
                "ADMIT['USER'] is set, but the middleware that gives request.user is not there",
                hint="Add admit.integrations.django.AdmitMiddleware to MIDDLEWARE.",
                id="admit.W001",
            )
        ]
    if AUTHENTICATION in names and names.index(AUTHENTICATION) > ours[0]:
        return [
            Error(
                "AuthenticationMiddleware stands below AdmitMiddleware and takes its request.user away",
                hint="Move AdmitMiddleware below AuthenticationMiddleware.",
                id="admit.E006",
            )
        ]
    return []


def _is_ours(name: str) -> bool:
    from admit.integrations.django.middleware import AdmitMiddleware

    try:
        found = import_string(name)
    except ImportError:
        return False  # Django's own to tell
    return isinstance(found, type) and issubclass(found, AdmitMiddleware)


def check_rest_framework(app_configs: Any, **_: object) -> Iterable[CheckMessage]:
    """W002: REST framework is told to ask Admit, and answers by itself."""
    if not apps.is_installed("rest_framework"):
        return []
    from rest_framework import views
    from rest_framework.settings import api_settings

    from admit.integrations.django.rest_framework import AdmitAuthentication

    asks = any(issubclass(one, AdmitAuthentication) for one in api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    if not asks or api_settings.EXCEPTION_HANDLER is not views.exception_handler:
        return []
    return [
        Warning(
            "REST framework's own exception handler leaves out the challenge of a 403",
            hint=f"Set REST_FRAMEWORK['EXCEPTION_HANDLER'] to {HANDLER!r}, or call that from yours.",
            id="admit.W002",
        )
    ]


def check_deployment(app_configs: Any, **_: object) -> Iterable[CheckMessage]:
    """W003: who is trusted in production."""
    try:
        issuers = current().gate.verifier.issuers
    except SettingError:
        return []
    return [
        Warning(
            "ADMIT trusts an issuer without https, which is for one machine only",
            hint="Name the issuer that people sign in at, with https.",
            id="admit.W003",
        )
        for name in sorted(issuers)
        if not name.startswith("https://")
    ]
