"""docs/testing.md: its examples of more than a guard run; that of an MCP server where the SDK is loaded anyway."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from admit.client import AuthorizationServer, ClientRegistration, ClientSecret
from admit.integrations import starlette
from admit.integrations.bff.starlette import routes, signed_in
from admit.relying_party import Bff, MemorySessionStore, Provider
from admit.testing import TestIssuer, principal
from admit.verifier import Revocation, TrustedIssuer, Verifier

PAGE = Path(__file__).resolve().parents[3] / "docs/testing.md"
API = "https://api.example.com"


def verifier() -> Verifier:
    trusted = TrustedIssuer("https://id.example.com", audience=API, revocation=Revocation(stream=False))
    return Verifier(trusted)


async def empty(request: Request) -> Response:
    return JSONResponse({})


def shop_of(bff: Bff) -> Starlette:
    async def greeting(request: Request) -> Response:
        who = await signed_in(bff, request)
        return JSONResponse({"hello": None if who is None else who.claims["name"]})

    return Starlette(routes=[*routes(bff), Route("/greeting", greeting)])


def test_its_examples_run(admit_issuer: TestIssuer) -> None:
    sources = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.S))
    assert list(sources) == ["lifespan", "backend", "tokens"]
    me = ClientRegistration(
        AuthorizationServer("https://id.example.com"), "shop", ClientSecret("not-guessed")
    )
    bff = Bff("https://shop.example.com", providers=[Provider("id", me)], store=MemorySessionStore())
    guard = starlette.Guard(verifier())
    names: dict[str, Any] = {
        "pytest": pytest,
        "principal": principal,
        "TestClient": TestClient,
        "guard": guard,
        "app": Starlette(routes=[Route("/", guard.requires()(empty))]),
        "bff": bff,
        "shop": shop_of(bff),
    }
    for source in (sources["lifespan"], sources["backend"]):
        exec(source.replace("@pytest.fixture\n", ""), names)
    for client in names["running"](admit_issuer):
        assert client.as_(principal("alice")).get("/").status_code == 200
    names["test_whoever_signed_in_is_greeted"](admit_issuer)
