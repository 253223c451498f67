"""The orders API in Django REST framework, a project in one file.

python examples/demo/api/rest_framework_orders.py .demo/api.json
"""

import django
from django import conf
from ordering import METHODS, SENT, TOLD, TWO_FACTORS, Orders, Settings

settings = Settings.named()
orders = Orders(settings.database)
verifier = settings.verifier()

conf.settings.configure(
    ADMIT={"VERIFIER": verifier, "SESSIONS": settings.sessions(), "ORIGINS": settings.pages},
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    CORS_ALLOWED_ORIGINS=settings.pages,
    CORS_ALLOW_CREDENTIALS=True,
    CORS_ALLOW_HEADERS=SENT,
    CORS_ALLOW_METHODS=METHODS,
    CORS_EXPOSE_HEADERS=TOLD,
    INSTALLED_APPS=["corsheaders", "rest_framework", "admit.integrations.django"],
    # CORS stands before the views and their permissions: a preflight carries no credential, and a page may read a
    # refusal too.
    MIDDLEWARE=["corsheaders.middleware.CorsMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["admit.integrations.django.rest_framework.AdmitAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["admit.integrations.django.rest_framework.HasScope"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "EXCEPTION_HANDLER": "admit.integrations.django.rest_framework.exception_handler",
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
)

django.setup()

from django.core.wsgi import get_wsgi_application
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from serving import serve_wsgi

from admit.integrations.django.rest_framework import HasRole, HasScope, SignedIn


class Mine(APIView):
    """Your own orders. `request.auth` is the principal."""

    permission_classes = (HasScope("orders:own"),)

    def get(self, request: Request) -> Response:
        """What you ordered."""
        return Response(orders.of(request.auth))

    def post(self, request: Request) -> Response:
        """Order a ticket stub."""
        orders.place(request.auth)
        return Response(status=201)


class One(APIView):
    """One order of yours. Money goes back: a password alone will not do, and who signed in with less is told what is
    wanted, RFC 9470 §3."""

    permission_classes = (HasScope("orders:own") & SignedIn(acr=TWO_FACTORS),)

    def delete(self, request: Request, number: int) -> Response:
        """Cancel it."""
        return Response(status=204 if orders.cancel(request.auth, number) else 404)


class Everybodys(APIView):
    """What everybody ordered."""

    permission_classes = (HasScope("orders:read") & HasRole("admin"),)

    def get(self, request: Request) -> Response:
        """All of it."""
        return Response(orders.all())


class Health(APIView):
    """Whether it has the issuer's keys."""

    permission_classes = ()

    def get(self, request: Request) -> Response:
        """For whoever starts it."""
        return Response({"ready": verifier.ready()})


urlpatterns = [
    path("api/orders/mine", Mine.as_view()),
    path("api/orders/mine/<int:number>", One.as_view()),
    path("api/orders", Everybodys.as_view()),
    path("health", Health.as_view()),
]

if __name__ == "__main__":
    serve_wsgi(get_wsgi_application(), settings)
