"""The client of `admit.testing` is the one that it wraps: `with`, `async with`, and what is set on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any

import tests.fixtures.django  # isort: skip  # settings come before what needs them
import httpx2
import pytest
import requests
from django.test import Client as DjangoClient
from fastapi import FastAPI
from flask import Flask
from flask import request as flask_request
from starlette.testclient import TestClient

from admit.errors import ConfigError
from admit.integrations import fastapi, flask
from admit.principal import Principal
from admit.testing import TestIssuer, principal
from admit.verifier import RemoteLookup, Revocation, TrustedIssuer, Verifier

assert tests.fixtures.django.APPS
ISSUER, API = "https://id.example.com", "https://api.example.com"
ALICE = principal("alice", scopes={"orders:read"})


def verifier() -> Verifier:
    return Verifier(TrustedIssuer(ISSUER, audience=API, revocation=Revocation(stream=False)))


@pytest.fixture
def guard() -> fastapi.Guard:
    return fastapi.Guard(verifier(), sessions=RemoteLookup(ISSUER, API, "a-secret-of-the-resource"))


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def app(guard: fastapi.Guard, told: list[str]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        told.append("up")
        yield
        told.append("down")

    app = FastAPI(lifespan=lifespan)

    @app.get("/orders")
    async def orders(who: Annotated[Principal, guard("orders:read")]) -> str:
        return f"{who.subject} {told}"

    return app


@pytest.mark.parametrize("entered", ["the client", "as alice"])
def test_the_lifespan_of_an_application_runs(
    app: FastAPI, guard: fastapi.Guard, told: list[str], admit_issuer: TestIssuer, entered: str
) -> None:
    client = admit_issuer.client(TestClient(app), guard)
    with client if entered == "the client" else client.as_(ALICE) as within:
        assert type(within) is type(client)
        assert within.as_(ALICE).get("/orders").json() == "alice ['up']"
        assert within.get("/orders").status_code == (401 if entered == "the client" else 200)
    assert told == ["up", "down"]


@pytest.mark.anyio
async def test_an_asynchronous_client_is_opened_and_closed(
    app: FastAPI, guard: fastapi.Guard, admit_issuer: TestIssuer
) -> None:
    raw = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=API)
    async with admit_issuer.client(raw, guard) as client:
        assert (await client.as_(ALICE).get("/orders")).status_code == 200
        assert (await client.get("/orders")).status_code == 401
        made = client.as_(ALICE).build_request("GET", "/orders")
        assert (await client.send(made)).status_code == 200, "a request that is made first is alice's too"
    assert raw.is_closed


def test_flasks_client_keeps_the_context_of_the_last_request(admit_issuer: TestIssuer) -> None:
    guard, app = flask.Guard(verifier()), Flask(__name__)

    @app.get("/orders")
    @guard("orders:read")
    def orders() -> str:
        return guard.principal.subject

    with admit_issuer.client(app.test_client(), guard).as_(ALICE) as client:
        assert client.get("/orders").text == "alice"
        assert flask_request.path == "/orders"
    with admit_issuer.client(app.test_client(), guard) as client:
        assert client.get("/orders").status_code == 401


def test_a_client_without_such_ways_says_so(guard: fastapi.Guard, admit_issuer: TestIssuer) -> None:
    client = admit_issuer.client(DjangoClient(), guard)
    with pytest.raises(ConfigError, match="class Client cannot be used by `with`"), client:
        pass


@pytest.mark.anyio
async def test_nor_by_a_loop(app: FastAPI, guard: fastapi.Guard, admit_issuer: TestIssuer) -> None:
    with pytest.raises(ConfigError, match="by `async with`"):
        async with admit_issuer.client(TestClient(app), guard):
            pass


def test_what_is_set_is_set_on_the_wrapped_client(guard: fastapi.Guard, admit_issuer: TestIssuer) -> None:
    with requests.Session() as session, TestClient(FastAPI()) as starlettes:
        for raw in (session, starlettes):
            client: Any = admit_issuer.client(raw, guard)
            client.as_(ALICE).headers = {"x-tenant": "t1"}
            assert raw.headers["x-tenant"] == "t1"
            assert client.headers is raw.headers
    django: Any = admit_issuer.client(DjangoClient(), guard)
    django.raise_request_exception = False
    assert django.wrapped.raise_request_exception is False


@pytest.mark.parametrize("by", ["token", "session"])
def test_what_is_older_than_it_lives_has_expired(
    app: FastAPI, guard: fastapi.Guard, admit_issuer: TestIssuer, by: Any
) -> None:
    client = admit_issuer.client(TestClient(app), guard)
    assert client.as_(ALICE, by=by, age=timedelta(minutes=4)).get("/orders").status_code == 200
    assert client.as_(ALICE, by=by, age=timedelta(hours=9)).get("/orders").status_code == 401


def test_who_is_no_caller_and_what_is_no_guard_is_told(
    app: FastAPI, guard: fastapi.Guard, admit_issuer: TestIssuer
) -> None:
    client = admit_issuer.client(TestClient(app), guard)
    wrong: Any = "alice"
    for call in (client.as_, admit_issuer.token, admit_issuer.session):
        with pytest.raises(ConfigError, match="a caller is a principal"):
            call(wrong)
    no_guard: Any
    for no_guard in (app, client, "guard", None):
        with pytest.raises(ConfigError, match=f"no guard: {type(no_guard).__name__}"):
            admit_issuer.client(TestClient(app), no_guard)
    with pytest.raises(ConfigError, match="for a Bff"):
        admit_issuer.client(TestClient(app), guard, provider="id").as_(ALICE)


def test_a_machine_is_ended_by_its_name_and_has_no_session(
    app: FastAPI, guard: fastapi.Guard, admit_issuer: TestIssuer
) -> None:
    client = admit_issuer.client(TestClient(app), guard)
    reports = principal("reports", is_client=True, scopes={"orders:read"})
    assert reports.session_id is None
    assert client.as_(reports).get("/orders").status_code == 200
    with pytest.raises(ConfigError, match="no session"):
        client.as_(reports, by="session")
    admit_issuer.end(principal("reports", is_client=True))
    assert client.as_(reports).get("/orders").status_code == 401


@pytest.mark.parametrize("carried_by", ["token", "session"])
def test_who_acts_for_somebody_comes_along(
    guard: fastapi.Guard, admit_issuer: TestIssuer, carried_by: Any
) -> None:
    supported = principal("alice", actor={"sub": "support"})
    carried = admit_issuer.headers(supported, guard, by=carried_by)
    found = guard.gate.find([(name.encode(), value.encode()) for name, value in carried.items()], "GET")
    assert isinstance(found, Principal)
    assert found.actor == {"sub": "support"}
