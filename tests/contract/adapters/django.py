"""Django as WSGI serves it: a decorator on each view, and classes with the mixin."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tests.fixtures.django import Site  # isort: skip  # settings come before what needs them
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views import View

from admit.integrations.django import AdmitRequest, RequiresMixin, requires
from tests.contract import wsgi
from tests.contract.adapter import Adapter, Request, Service, Setting
from tests.contract.services import ACR_2FA, Answer

NO_SOCKETS = "Django itself speaks no WebSocket; what runs beside it is guarded by admit.integrations.asgi"


def build(setting: Setting) -> Service:
    def told(request: AdmitRequest) -> HttpResponse:
        return JsonResponse(setting.shown(request.principal), safe=False)

    def stream(request: AdmitRequest) -> StreamingHttpResponse:
        who = request.principal
        assert who is not None

        def parts() -> Iterator[bytes]:
            for _ in range(3):
                yield setting.told(who)

        return StreamingHttpResponse(parts())

    @requires(optional=True)
    def changed(request: AdmitRequest) -> HttpResponse:
        wsgi.changed(request.META)
        request.method = request.META["REQUEST_METHOD"]
        answer: HttpResponse = requires()(told)(request)
        return answer

    class Change(RequiresMixin, View):
        def post(self, request: AdmitRequest) -> HttpResponse:
            return told(request)

    @requires("orders:read", role="admin")
    class Admin(View):
        def get(self, request: AdmitRequest) -> HttpResponse:
            return told(request)

    views: dict[str, Any] = {
        "any": requires()(told),
        "read": requires("orders:read")(told),
        "admin": Admin.as_view(),
        "staff": requires(group="staff")(told),
        "open": requires(optional=True)(told),
        "fresh": requires(max_age=timedelta(minutes=1))(told),
        "strong": requires(acr=ACR_2FA)(told),
        "change": Change.as_view(),
        "changed": changed,
        "options": requires()(told),
        "twice": requires()(requires("orders:read")(told)),
        "stream": requires()(stream),
    }
    site = Site([path(name, view) for name, view in views.items()], setting.issuer.verifier, setting.options)
    with site():
        app = wsgi.waived(WSGIHandler(), setting.waived)

    def ask(request: Request) -> Answer:
        with site():
            return wsgi.call(app, request.path, request.headers, request.method)

    return ask


ADAPTER = Adapter("Django", build, {"websocket": NO_SOCKETS, "cookie lines": wsgi.JOINED})
