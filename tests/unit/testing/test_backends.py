"""`admit.testing` and a `Bff`: people who signed in, without a provider."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from admit.client import AuthorizationServer, ClientRegistration, ClientSecret
from admit.errors import ConfigError
from admit.integrations.bff import django as in_django
from admit.integrations.bff import flask as in_flask
from admit.integrations.bff import starlette as in_starlette
from admit.relying_party import Api, Bff, MemorySessionStore, Provider, SqliteSessionStore
from admit.testing import Client, TestIssuer, principal
from tests.fixtures.relying_party import Wire

assert tests.fixtures.django.APPS
APP, API, OTHER = "https://shop.example.com", "https://api.example.com", "https://stock.example.com"
ISSUER = "https://id.example.com"
ALICE = principal("alice", scopes={"orders:read", "stock:read"}, claims={"name": "Alice"})


def bff_of(wire: Wire, **changes: Any) -> Bff:
    def provider(name: str, issuer: str) -> Provider:
        return Provider(
            name, ClientRegistration(AuthorizationServer(issuer), "shop", ClientSecret("not-to-be-guessed"))
        )

    settings: dict[str, Any] = {
        "providers": [provider("id", ISSUER), provider("other", "https://other.example.com")],
        "apis": [
            Api("orders", f"{API}/v1", audience=API, scopes=["orders:read"], provider="id"),
            Api("stock", f"{OTHER}/v1", audience=OTHER, provider="other"),
        ],
        "store": MemorySessionStore(),
        "fetcher": wire.fetcher(API, OTHER),
        **changes,
    }
    return Bff(APP, **settings)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    def nobody_is_asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("a test asked the network")

    monkeypatch.setattr("socket.socket.connect", nobody_is_asked)
    return Wire()


@pytest.fixture
def bff(wire: Wire) -> Bff:
    return bff_of(wire)


def starlette_app(bff: Bff) -> Starlette:
    async def greeting(request: Request) -> Response:
        who = await in_starlette.signed_in(bff, request)
        return PlainTextResponse("nobody" if who is None else f"{who.subject} of {who.issuer}")

    async def change(request: Request) -> Response:
        bff.check_csrf(request.method, request.scope["headers"])
        return await greeting(request)

    return Starlette(
        routes=[
            *in_starlette.routes(bff),
            Route("/greeting", greeting),
            Route("/greeting", change, methods=["POST"]),
        ]
    )


@pytest.fixture
def client(bff: Bff, admit_issuer: TestIssuer) -> Client[TestClient]:
    return admit_issuer.client(TestClient(starlette_app(bff)), bff)


def test_somebody_is_signed_in_and_nobody_else(client: Client[TestClient]) -> None:
    alice = client.as_(ALICE)
    assert alice.get("/greeting").text == f"alice of {ISSUER}"
    assert alice.post("/greeting").text == f"alice of {ISSUER}", "the CSRF token and Origin come along"
    told = alice.get("/bff/session").json()
    assert (told["signed_in"], told["provider"], told["claims"]) == (True, "id", {"name": "Alice"})
    assert client.get("/greeting").text == "nobody"
    assert client.as_(principal("bob")).get("/greeting").text.startswith("bob ")


def test_signing_out_is_real_and_asks_no_provider(client: Client[TestClient]) -> None:
    alice, beside = client.as_(ALICE), client.as_(ALICE)
    assert alice.post("/bff/logout", headers={"x-csrf-token": "made-up"}).status_code == 403
    answer = alice.post("/bff/logout", headers={"accept": "application/json"})
    assert answer.json() == {"location": "/"}
    assert alice.get("/greeting").text == "nobody"
    assert beside.get("/greeting").text.startswith("alice "), "another session of hers"


def test_what_was_ended_is_over_and_only_that(client: Client[TestClient], admit_issuer: TestIssuer) -> None:
    alice, bob = client.as_(ALICE), client.as_(principal("bob"))
    admit_issuer.end(ALICE)
    assert alice.get("/greeting").text == "nobody"
    assert bob.get("/greeting").text.startswith("bob ")


def test_an_api_gets_a_token_that_it_can_verify_for_it_alone(
    client: Client[TestClient], wire: Wire, admit_issuer: TestIssuer, bff: Bff
) -> None:
    seen: list[str] = []

    async def api(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer "))
        await PlainTextResponse("mine")(scope, receive, send)

    wire.apps.update({API: api, OTHER: api})
    assert client.as_(ALICE).get("/bff/api/orders/mine").text == "mine"
    found = admit_issuer.verifier(API).verify(seen[0])
    assert (found.subject, *found.audience, *found.scopes) == ("alice", API, "orders:read")
    assert client.as_(ALICE).get("/bff/api/stock/all").status_code == 403, "it takes the other's"
    other = admit_issuer.client(client.wrapped, bff, provider="other").as_(ALICE)
    assert other.get("/bff/session").json()["issuer"] == "https://other.example.com"
    assert other.get("/bff/api/stock/all").text == "mine"
    assert admit_issuer.verifier(OTHER).verify(seen[1]).scopes == ALICE.scopes
    assert len(seen) == 2


def test_an_api_that_takes_the_token_for_invalid_is_401_to_the_page(
    client: Client[TestClient], wire: Wire
) -> None:
    async def api(scope: Any, receive: Any, send: Any) -> None:
        refused = {"www-authenticate": 'Bearer error="invalid_token"'}
        await PlainTextResponse("", 401, refused)(scope, receive, send)

    wire.apps[API] = api
    assert client.as_(ALICE).get("/bff/api/orders/mine").status_code == 401


def test_sessions_go_and_providers_are_asked_again_once_the_test_is_done(wire: Wire, tmp_path: Path) -> None:
    bff = bff_of(wire, store=SqliteSessionStore(tmp_path / "sessions.db"))
    servers = [one.client.server for one in bff.config.providers]
    before = [one.fetcher for one in servers]
    with TestIssuer() as issuer:
        alice = issuer.client(TestClient(starlette_app(bff)), bff).as_(ALICE)
        assert alice.get("/greeting").text.startswith("alice ")
        assert alice.get("/bff/login", follow_redirects=False).status_code == 503, "no provider is asked"
    assert alice.get("/greeting").text == "nobody"
    assert [one.fetcher for one in servers] == before


def test_what_can_be_no_sign_in_is_told(bff: Bff, admit_issuer: TestIssuer) -> None:
    client = admit_issuer.client(TestClient(starlette_app(bff)), bff)
    with pytest.raises(ConfigError, match="signs in to no page"):
        client.as_(principal("reports", is_client=True))
    with pytest.raises(ConfigError, match="by its own clock"):
        client.as_(ALICE, age=timedelta(hours=9))
    with pytest.raises(ConfigError, match="no provider of that name"):
        admit_issuer.headers(ALICE, bff, provider="third")
    wrong: Any = "alice"
    with pytest.raises(ConfigError, match="a caller is a principal"):
        client.as_(wrong)


def test_flask_and_django_are_the_same(bff: Bff, admit_issuer: TestIssuer) -> None:
    app = Flask(__name__)
    app.register_blueprint(in_flask.blueprint(bff))

    @app.post("/greeting")
    def greeting() -> str:
        in_flask.check_csrf(bff)
        who = in_flask.signed_in(bff)
        return "nobody" if who is None else who.subject

    def view(request: HttpRequest) -> HttpResponse:
        in_django.check_csrf(bff, request)
        who = in_django.signed_in(bff, request)
        return HttpResponse("nobody" if who is None else who.subject)

    assert admit_issuer.client(app.test_client(), bff).as_(ALICE).post("/greeting").text == "alice"
    assert admit_issuer.client(app.test_client(), bff).get("/bff/session").json == {"signed_in": False}
    urls = type("Urls", (), {"urlpatterns": [path("greeting", view), *in_django.urls(bff)]})
    with override_settings(ROOT_URLCONF=urls):
        client = admit_issuer.client(DjangoClient(), bff)
        assert client.as_(ALICE).post("/greeting").content == b"alice"
        assert client.get("/bff/session").json() == {"signed_in": False}
