"""The backend for a frontend says the same in Starlette, Flask and Django: sign in, call an API, change, sign out."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import httpx2
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from admit.errors import AdmitError
from admit.integrations.bff import django, flask, starlette
from admit.relying_party import Api, Bff, Identity, MemorySessionStore
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import APP, Wire

assert tests.fixtures.django.APPS

API = "https://api.example.com"


def shown(who: Identity | None, refused: str = "") -> dict[str, Any]:
    return {"who": None if who is None else who.subject, "refused": refused}


def code_of(check: Callable[[], None]) -> str:
    try:
        check()
    except AdmitError as error:
        return error.code
    return ""


class InThread(httpx2.AsyncBaseTransport):
    """A WSGI application, called in a thread as its server would."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx2.WSGITransport(app=app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        def called() -> httpx2.Response:
            answer = self._inner.handle_request(request)
            return httpx2.Response(answer.status_code, headers=answer.headers.raw, content=answer.read())

        return await asyncio.to_thread(called)


def in_starlette(bff: Bff) -> httpx2.AsyncBaseTransport:
    async def mine(request: Request) -> JSONResponse:
        who = await starlette.signed_in(bff, request)
        headers = request.scope["headers"]
        return JSONResponse(shown(who, code_of(lambda: bff.check_csrf(request.method, headers))))

    app = Starlette(routes=[*starlette.routes(bff), Route("/mine", mine, methods=["GET", "POST"])])
    return httpx2.ASGITransport(app=app)


def in_flask(bff: Bff) -> httpx2.AsyncBaseTransport:
    app = Flask(__name__)
    app.register_blueprint(flask.blueprint(bff))

    @app.route("/mine", methods=["GET", "POST"])
    def mine() -> dict[str, Any]:
        return shown(flask.signed_in(bff), code_of(lambda: flask.check_csrf(bff)))

    return InThread(app)


def in_django(bff: Bff) -> httpx2.AsyncBaseTransport:
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    def mine(request: HttpRequest) -> JsonResponse:
        return JsonResponse(
            shown(django.signed_in(bff, request), code_of(lambda: django.check_csrf(bff, request)))
        )

    urlconf = SimpleNamespace(urlpatterns=[*django.urls(bff), path("mine", mine)])
    handler = WSGIHandler()

    def app(environ: Any, start_response: Any) -> Any:
        with override_settings(
            ROOT_URLCONF=_hashable(urlconf),
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        ):
            return handler(environ, start_response)

    with override_settings(MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"]):
        handler.load_middleware()
    return InThread(app)


def in_django_async(bff: Bff) -> httpx2.AsyncBaseTransport:
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    async def mine(request: HttpRequest) -> JsonResponse:
        who = await django.asigned_in(bff, request)
        return JsonResponse(shown(who, code_of(lambda: django.check_csrf(bff, request))))

    urlconf = SimpleNamespace(urlpatterns=[*django.aurls(bff), path("mine", mine)])
    settings = {
        "ROOT_URLCONF": _hashable(urlconf),
        "ALLOWED_HOSTS": ["*"],
        "MIDDLEWARE": ["django.middleware.csrf.CsrfViewMiddleware"],
    }
    with override_settings(**settings):
        handler = ASGIHandler()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with override_settings(**settings):
            await handler(scope, receive, send)

    return httpx2.ASGITransport(app=app)


def _hashable(urlconf: SimpleNamespace) -> Any:
    return tuple(urlconf.urlpatterns)


FRAMEWORKS = {
    "django": in_django,
    "django-async": in_django_async,
    "flask": in_flask,
    "starlette": in_starlette,
}


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
async def test_people_sign_in_call_an_api_change_things_and_sign_out(framework: str) -> None:
    strange, wire = Strange(claims={"name": "Ada"}), Wire(loop=asyncio.get_running_loop())
    seen: list[Request] = []

    async def orders(request: Request) -> JSONResponse:
        seen.append(request)
        return JSONResponse({"body": (await request.body()).decode()})

    wire.apps[API] = Starlette(routes=[Route("/{path:path}", orders, methods=["GET", "POST"])])
    bff = Bff(
        APP,
        providers=[strange.provider(wire), strange.provider(wire, "posted", response_mode="form_post")],
        apis=[Api("orders", f"{API}/v1", max_bytes=80_000)],
        store=MemorySessionStore(),
        fetcher=wire.fetcher(API),
    )
    async with httpx2.AsyncClient(transport=FRAMEWORKS[framework](bff), base_url=APP) as browser:
        assert (await browser.get("/mine")).json() == {"who": None, "refused": "invalid_session"}
        for provider in ("posted", "id"):
            begun = await browser.get("/bff/login", params={"next": "/orders?a=1", "provider": provider})
            assert begun.status_code == 303, begun.text
            back = strange.approve(begun.headers["location"])
            if provider == "posted":
                done = await browser.post(f"/bff/callback/{provider}", data=back)
            else:
                done = await browser.get(f"/bff/callback/{provider}", params=back)
            assert (done.status_code, done.headers["location"]) == (303, "/orders?a=1"), done.text
            name, *attributes = done.headers["set-cookie"].strip().split("; ")
            assert name.startswith("__Host-admit-app-")
            assert set(attributes) == {"HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=2592000"}
        told = (await browser.get("/bff/session")).json()
        assert told["claims"] == {"name": "Ada"}
        assert (await browser.get("/mine")).json() == {"who": "ada", "refused": ""}
        proof = {"origin": APP, "x-csrf-token": told["csrf_token"]}
        assert (await browser.post("/mine", headers=proof)).json()["refused"] == ""
        assert (await browser.post("/mine")).json()["refused"] == "csrf_failed"
        sent = await browser.post("/bff/api/orders/mine?a=%20b", headers=proof, content=b"hello")
        assert sent.json() == {"body": "hello"}
        assert str(seen[0].url) == f"{API}/v1/mine?a=%20b"
        assert seen[0].headers["authorization"].startswith("Bearer access-")
        assert (await browser.post("/bff/api/orders/mine", content=b"hello")).status_code == 403
        assert (await browser.get("/bff/api/orders/a%2fb")).status_code in (200, 400)
        assert (await browser.get("/bff/api/orders/%2e%2e/admin")).status_code in (400, 404)
        assert all(request.url.path.startswith("/v1/") for request in seen)
        whole = await browser.post("/bff/api/orders/mine", headers=proof, content=b"x" * 80_000)
        assert whole.json() == {"body": "x" * 80_000}
        for size in (80_001, 400_000):
            large = await browser.post("/bff/api/orders/mine", headers=proof, content=b"x" * size)
            assert large.status_code == 413
        large = await browser.post("/bff/logout", headers=proof, content=b"x" * 80_000)
        assert large.status_code == 413
        assert (await browser.options("/bff/session")).status_code in (404, 405)
        over = await browser.post("/bff/logout", headers=proof)  # as a page's fetch sends it: Accept is */*
        assert over.status_code == 200, over.text
        assert over.json()["location"].startswith(f"{strange.issuer}/logout?id_token_hint=")
        assert "Max-Age=0" in over.headers["set-cookie"]
        assert (await browser.get("/mine")).json()["who"] is None
