"""Admit for Django: `request.principal`, `@requires`, and one setting.

    INSTALLED_APPS = [..., "admit.integrations.django"]
    MIDDLEWARE = [..., "admit.integrations.django.AdmitMiddleware"]
    ADMIT = {"ISSUER": "https://id.example.com", "AUDIENCE": "https://api.example.com"}

    @requires("orders:read", role="admin")
    def orders(request): ...

Views may be functions or classes, sync or async. `admit.integrations.django.rest_framework` is for REST framework.
Glue only: the rules are in `admit.credentials` and `admit.verifier`.
"""

from admit.integrations.django.conf import AdmitSettings, current
from admit.integrations.django.guard import RequiresMixin, requires
from admit.integrations.django.middleware import AdmitMiddleware
from admit.integrations.django.requests import AdmitRequest, principal

__all__ = [
    "AdmitMiddleware",
    "AdmitRequest",
    "AdmitSettings",
    "RequiresMixin",
    "current",
    "principal",
    "requires",
]
