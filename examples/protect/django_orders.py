"""Orders behind Admit: a Django project in one file.

python django_orders.py                 http://localhost:8001/orders
"""

import os
import sys

from django.conf import settings

settings.configure(
    ADMIT={
        "ISSUER": os.environ.get("ISSUER", "http://localhost:8410"),
        "AUDIENCE": os.environ.get("API", "http://localhost:8001"),
    },
    ALLOWED_HOSTS=["localhost"],
    INSTALLED_APPS=["admit.integrations.django"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "admit.integrations.django.AdmitMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", "only for trying it on this machine"),
)

from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views import View

from admit.integrations.django import AdmitRequest, RequiresMixin, principal, requires

ORDERS = ["tea"]


class Orders(RequiresMixin, View):
    """Who may read them may see them; the mixin asks before each method."""

    required_scopes = ("orders:read",)

    def get(self, request: AdmitRequest) -> HttpResponse:
        """What was ordered."""
        return JsonResponse({"for": principal(request).client_id, "orders": ORDERS})


@requires("orders:read", "orders:write")
async def place(request: AdmitRequest, what: str) -> HttpResponse:
    """Order something. A bearer token needs no CSRF token."""
    ORDERS.append(what)
    return JsonResponse({"orders": ORDERS}, status=201)


urlpatterns = [path("orders", Orders.as_view()), path("orders/<slug:what>", place)]

if __name__ == "__main__":
    execute_from_command_line([sys.argv[0], *(sys.argv[1:] or ["runserver", "--noreload", "localhost:8001"])])
