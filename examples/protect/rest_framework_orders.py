"""Orders behind Admit: Django REST framework in one file.

python rest_framework_orders.py         http://localhost:8001/orders
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
    INSTALLED_APPS=["rest_framework", "drf_spectacular", "admit.integrations.django"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["admit.integrations.django.rest_framework.AdmitAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["admit.integrations.django.rest_framework.HasScope"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "EXCEPTION_HANDLER": "admit.integrations.django.rest_framework.exception_handler",
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", "only for trying it on this machine"),
    SPECTACULAR_SETTINGS={
        "POSTPROCESSING_HOOKS": ["admit.integrations.django.spectacular.describe"],
        "SERVE_AUTHENTICATION": [],
        "SERVE_PERMISSIONS": [],
    },
)

import django

django.setup()

from django.core.management import execute_from_command_line
from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from admit.integrations.django.rest_framework import HasScope

ORDERS = ["tea"]


class Order(serializers.Serializer):
    """What somebody wants."""

    what = serializers.CharField(max_length=100)


class Orders(GenericAPIView):
    """Who may read them may see them, and who may write may add."""

    serializer_class = Order
    permission_classes = (HasScope("orders:read"),)

    def get(self, request: Request) -> Response:
        """What was ordered. `request.auth` is the principal."""
        return Response({"for": request.auth.client_id, "orders": ORDERS})


class Place(GenericAPIView):
    """Order something. A bearer token needs no CSRF token."""

    serializer_class = Order
    permission_classes = (HasScope("orders:read") & HasScope("orders:write"),)

    def post(self, request: Request) -> Response:
        """One more."""
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        ORDERS.append(order.validated_data["what"])
        return Response({"orders": ORDERS}, status=201)


urlpatterns = [
    path("orders", Orders.as_view()),
    path("orders/new", Place.as_view()),
    path("openapi", SpectacularAPIView.as_view()),
]

if __name__ == "__main__":
    execute_from_command_line([sys.argv[0], *(sys.argv[1:] or ["runserver", "--noreload", "localhost:8001"])])
