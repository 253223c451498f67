"""Test clients that keep cookies in their own way: Flask's, which is werkzeug's, and Django's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path
from flask import Flask, Response, redirect, request
from werkzeug.test import Client as WerkzeugClient

from admit.integrations.django import AdmitRequest, requires
from admit.integrations.django.conf import current
from admit.integrations.flask import Guard
from admit.testing import Client, TestIssuer, principal
from admit.verifier import RemoteLookup, Revocation, TrustedIssuer, Verifier

assert tests.fixtures.django.APPS
ISSUER, API = "https://id.example.com", "https://api.example.com"
WAYS = pytest.mark.parametrize("by", ["token", "session"])


@requires("orders:read")
def orders(request: AdmitRequest) -> HttpResponse:
    assert request.principal is not None
    return JsonResponse({"subject": request.principal.subject, "by": request.principal.credential.value})


def anybody(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open")


urlpatterns = [path("orders", orders), path("open", anybody)]


def verifier() -> Verifier:
    return Verifier(TrustedIssuer(ISSUER, audience=API, revocation=Revocation(stream=False)))


def lookup() -> RemoteLookup:
    return RemoteLookup(ISSUER, API, "a-secret-of-the-resource")


@dataclass
class Project:
    """An application, how its tests get a client, and its guard."""

    client: Any
    guard: Any


def flask_app(guard: Guard) -> Flask:
    app = Flask(__name__)

    @app.route("/orders", methods=["GET", "POST"])
    @guard("orders:read")
    def orders() -> Any:
        return {"subject": guard.principal.subject, "by": guard.principal.credential.value}

    @app.get("/old")
    def old() -> Any:
        return redirect("/orders")

    @app.get("/open")
    def anybody() -> Any:
        answer = Response(f"{sorted(request.cookies)}")
        answer.set_cookie("basket", "tea")
        return answer

    return app


@pytest.fixture(params=["flask", "werkzeug", "django"])
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    if request.param == "django":
        admit = {"VERIFIER": verifier, "SESSIONS": lookup}
        with override_settings(ADMIT=admit, ROOT_URLCONF=__name__):
            yield Project(DjangoClient(), current())
        return
    guard = Guard(verifier(), sessions=lookup())
    app = flask_app(guard)
    yield Project(app.test_client() if request.param == "flask" else WerkzeugClient(app), guard)


@pytest.fixture
def client(project: Project, admit_issuer: TestIssuer) -> Client[Any]:
    return admit_issuer.client(project.client, project.guard)


@WAYS
def test_a_principal_is_let_in_as_far_as_it_may_by_either(client: Client[Any], by: Any) -> None:
    alice = principal("alice", scopes={"orders:read"})
    assert client.get("/orders").status_code == 401
    assert client.as_(principal("alice"), by=by).get("/orders").status_code == 403
    for answer in (client.as_(alice, by=by).get("/orders"), client.as_(alice, by=by).post("/orders")):
        assert answer.status_code == 200
        found = answer.json if isinstance(answer.json, dict) else answer.json()
        assert found == {"subject": "alice", "by": by}
    assert client.get("/orders").status_code == 401, "whoever called before is not who calls now"


@WAYS
def test_what_was_ended_is_refused_by_either(client: Client[Any], admit_issuer: TestIssuer, by: Any) -> None:
    alice = principal("alice", scopes={"orders:read"})
    admit_issuer.end(alice)
    assert client.as_(alice, by=by).get("/orders").status_code == 401


@pytest.fixture
def flask(admit_issuer: TestIssuer) -> Client[Any]:
    guard = Guard(verifier(), sessions=lookup())
    return admit_issuer.client(flask_app(guard).test_client(), guard)


def test_flasks_client_keeps_its_jar_and_its_ways_beside_a_session(flask: Client[Any]) -> None:
    alice = flask.as_(principal("alice", scopes={"orders:read"}), by="session")
    assert "admit" in alice.get("/open").text
    assert "basket" in alice.get("/open").text, "what the application set comes back"
    assert flask.get("/open").text == "['basket']", "and the session is alice's alone"
    assert alice.get("/old", follow_redirects=True).json["by"] == "session"
    assert alice.get("/orders", base_url="https://shop.example.com").status_code == 200
    with flask.wrapped:
        alice.get("/orders")
        assert request.path == "/orders", "the context of the last request is kept"


def test_a_client_of_flask_without_a_jar_sends_the_session_once(admit_issuer: TestIssuer) -> None:
    guard = Guard(verifier(), sessions=lookup())
    client = admit_issuer.client(flask_app(guard).test_client(use_cookies=False), guard)
    alice = principal("alice", scopes={"orders:read"})
    assert client.as_(alice, by="session").get("/orders").status_code == 200
