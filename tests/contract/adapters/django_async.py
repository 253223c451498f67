"""Django as ASGI serves it: async views, functions and classes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from tests.fixtures.django import Site  # isort: skip  # settings come before what needs them
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views import View

from admit.integrations.django import AdmitRequest, RequiresMixin, requires
from tests.contract import asgi
from tests.contract.adapter import Adapter, Request, Service, Setting
from tests.contract.adapters.django import NO_SOCKETS
from tests.contract.services import ACR_2FA, Answer


def build(setting: Setting) -> Service:
    async def told(request: AdmitRequest) -> HttpResponse:
        return JsonResponse(setting.shown(await request.aprincipal()), safe=False)

    async def stream(request: AdmitRequest) -> StreamingHttpResponse:
        who = request.principal
        assert who is not None

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield setting.told(who)

        return StreamingHttpResponse(parts())

    @requires(optional=True)
    async def changed(request: AdmitRequest) -> HttpResponse:
        scope: Any = vars(request)["scope"]
        asgi.changed(scope)
        request.method = scope["method"]
        return await requires()(told)(request)

    class Change(RequiresMixin, View):
        async def post(self, request: AdmitRequest) -> HttpResponse:
            return await told(request)

    @requires("orders:read", role="admin")
    class Admin(View):
        async def get(self, request: AdmitRequest) -> HttpResponse:
            return await told(request)

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
        app = asgi.waived(ASGIHandler(), setting.waived)

    def ask(request: Request) -> Answer:
        with site():
            return setting.run(asgi.call(app, request.path, request.headers, request.method))  # type: ignore[no-any-return]  # what the coroutine gives

    return ask


ADAPTER = Adapter("Django async", build, {"websocket": NO_SOCKETS})
