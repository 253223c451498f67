"""The JSON API as pages and programs call it, with an operator and a client that may end sessions."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from admit.issuer import Client
from admit.issuer.app.api.shapes import SCHEMAS
from admit.issuer.audit import RequestInfo
from admit.issuer.storage import Keyring
from tests.fixtures.first_party import WITH_APP
from tests.fixtures.issuer import (
    ADA,
    BO,
    CLIENTS,
    ISSUER,
    Browser,
    LiveIssuer,
    make_issuer,
    settings_for,
)
from tests.threats.whole import user_id_of

SCOPE = "openid admit:sessions admit:keys"
ROOT = ("root@example.com", "the root of all of it", "Root", ("admit:admin",))
AGENT = replace(
    CLIENTS[1], id="agent", name="An agent", scopes=CLIENTS[1].scopes | {"admit:sessions", "admit:keys"}
)
OWN_CLIENTS = (*WITH_APP, AGENT, replace(AGENT, id="wide", userinfo_audience=True))


@asynccontextmanager
async def running(url: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    clients: tuple[Client, ...] = OWN_CLIENTS
    made = make_issuer(settings_for(url, client=clients), keyring)
    async with made.lifespan():
        email, password, name, roles = ROOT
        await made.services.accounts.add(
            email=email, name=name, password=password, roles=roles, info=RequestInfo(), now=made.clock()
        )
        yield made
        for one in made.open_browsers:
            await one.aclose()


@dataclass
class Api:
    """Somebody who calls the API, with the headers of one way to do so."""

    browser: Browser
    headers: Mapping[str, str]

    async def __call__(self, method: str, path: str, **more: str) -> httpx2.Response:
        return await self.browser.request(method, path, headers={**self.headers, **more})

    async def ids(self, path: str = "/api/sessions") -> set[str]:
        answer = (await self("GET", path)).json()
        return {one["id"] for one in answer.get("sessions", answer.get("grants"))}


async def by_session(issuer: LiveIssuer, who: Any = ADA, origin: str = ISSUER) -> Api:
    """As a page of ours does it."""
    browser = issuer.browser()
    await browser.sign_in(who)
    token = (await browser.get("/api/session")).json()["csrf_token"]
    return Api(browser, {"x-csrf-token": token, "origin": origin})


async def by_token(issuer: LiveIssuer, who: Any = ADA, client: str = "agent", **changes: str) -> Api:
    """As a program does it, which has no cookie."""
    browser = issuer.browser()
    changes = {"scope": SCOPE, "resource": ISSUER, **changes}
    tokens = await tokens_for(browser, who, client, **changes)
    browser.cookies.clear()
    return Api(browser, {"authorization": f"Bearer {tokens['access_token']}"})


async def tokens_for(browser: Browser, who: Any, client: str, **changes: str) -> dict[str, Any]:
    """`Browser.tokens`, for clients of this file too: they have the redirect URI of `native`."""
    request = {"client_id": client, **changes}
    code, verifier = await browser.code(who, "native", **request)
    answer = await browser.redeem(code, verifier, "native", client_id=client)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fits(value: Any, schema: Mapping[str, Any], where: str = "$") -> None:
    """As much of JSON Schema as ours use."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(value is None if kind == "null" else isinstance(value, kinds[kind]) for kind in wanted), where
    assert not (isinstance(value, bool) and "boolean" not in wanted), where
    if isinstance(value, dict):
        assert set(schema["required"]) <= value.keys() <= schema["properties"].keys(), where
        for name, inner in value.items():
            fits(inner, schema["properties"][name], f"{where}.{name}")
    if isinstance(value, list):
        assert value, f"{where}: nothing to compare"
        for inner in value:
            fits(inner, schema["items"], where)


async def named(issuer: LiveIssuer, api: Api) -> dict[str, str]:
    """What stands in the places of those paths: things of the caller's own, who is still no operator."""
    await api.browser.tokens(BO) if "x-csrf-token" in api.headers else None
    (gid, *_), (sid, *_) = await api.ids("/api/grants"), await api.ids()
    kid = issuer.keys.snapshot.signer("token", "ES256").kid or ""
    return {"sub": await user_id_of(issuer, BO[0]), "sid": sid, "gid": gid, "kid": kid, "cid": "spa"}
