"""Django REST framework: permissions of each view."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from tests.fixtures.django import Site  # isort: skip  # settings come before what needs them
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request as Asked
from rest_framework.response import Response
from rest_framework.views import APIView

from admit.integrations.django import AdmitRequest, requires
from admit.integrations.django.rest_framework import HasGroup, HasRole, HasScope, SignedIn
from tests.contract import wsgi
from tests.contract.adapter import Adapter, Request, Service, Setting
from tests.contract.adapters.django import NO_SOCKETS
from tests.contract.services import ACR_2FA, Answer


def build(setting: Setting) -> Service:
    class Told(APIView):
        def get(self, request: Asked) -> JsonResponse:
            return JsonResponse(setting.shown(request.auth), safe=False)  # the framework has no text for None

    class Change(APIView):
        permission_classes: ClassVar[list[Any]] = [HasScope]

        def post(self, request: Asked) -> Response:
            return Response(setting.shown(request.auth))

    class Changed(Told):
        permission_classes: ClassVar[list[Any]] = [HasScope]
        post = Told.get

    @requires(optional=True)
    def changed(request: AdmitRequest) -> HttpResponse:
        wsgi.changed(request.META)
        request.method = request.META["REQUEST_METHOD"]
        answer: HttpResponse = Changed.as_view()(request)
        return answer

    class Options(Told):
        permission_classes: ClassVar[list[Any]] = [HasScope]

        def options(self, request: Asked) -> Response:
            return Response(setting.shown(request.auth))

    class Stream(APIView):
        permission_classes: ClassVar[list[Any]] = [HasScope]

        def get(self, request: Asked) -> StreamingHttpResponse:
            def parts() -> Iterator[bytes]:
                for _ in range(3):
                    yield setting.told(request.auth)

            return StreamingHttpResponse(parts())

    asks: dict[str, list[Any]] = {
        "any": [HasScope],
        "read": [HasScope("orders:read")],
        "admin": [HasScope("orders:read") & HasRole("admin")],
        "staff": [HasGroup("staff")],
        "open": [AllowAny],
        "fresh": [SignedIn(max_age=timedelta(minutes=1))],
        "strong": [SignedIn(acr=ACR_2FA)],
        "twice": [HasScope, HasScope("orders:read")],
    }
    views: dict[str, Any] = {name: Told.as_view(permission_classes=them) for name, them in asks.items()}
    views["changed"] = changed
    views |= {"change": Change.as_view(), "options": Options.as_view(), "stream": Stream.as_view()}
    site = Site([path(name, view) for name, view in views.items()], setting.issuer.verifier, setting.options)
    with site():
        app = wsgi.waived(WSGIHandler(), setting.waived)

    def ask(request: Request) -> Answer:
        with site():
            return wsgi.call(app, request.path, request.headers, request.method)

    return ask


ADAPTER = Adapter("Django REST framework", build, {"websocket": NO_SOCKETS, "cookie lines": wsgi.JOINED})
