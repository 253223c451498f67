"""ADM-route, WEB-csrf: who may call which route of the JSON API, and that it is described as it is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    BO,
    ISSUER,
    SPA,
    LiveIssuer,
)
from tests.threats.api import ROOT, SCOPE, Api, by_session, by_token, named, running
from tests.threats.whole import SESSION_COOKIE, everything

pytestmark = pytest.mark.anyio


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """The usual issuer, with an operator, and with a client that may end sessions."""
    async with running(furnished_sqlite, keyring) as made:
        yield made


CHANGING = (
    ("DELETE", "/api/sessions"),
    ("DELETE", "/api/sessions/{sid}"),
    ("PATCH", "/api/sessions/{sid}"),
    ("DELETE", "/api/grants/{gid}"),
    ("DELETE", "/api/consents/{cid}"),
    ("DELETE", "/api/users/{sub}/sessions"),
    ("DELETE", "/api/clients/spa/grants"),
    ("DELETE", "/api/keys/{kid}"),
)
READING = (
    ("GET", "/api/sessions"),
    ("GET", "/api/grants"),
    ("GET", "/api/consents"),
    ("GET", "/api/users/{sub}/sessions"),
)

# By the session's cookie and nothing else; test_routes_http.py has them.
BY_SESSION = (("GET", "/api/second-factors"), ("DELETE", "/api/second-factors/{fid}"))
OF_OPERATORS = ("/api/users/", "/api/clients/", "/api/keys/")


async def test_the_table_of_routes_is_whole(issuer: LiveIssuer) -> None:
    told = {
        (method, route.path)
        for route in issuer.routes
        if route.path.startswith("/api/")
        and route.path not in ("/api/session", "/api/openapi.json", "/api/login")
        for method in route.handlers
    }
    places = {"sub": "*", "sid": "*", "gid": "*", "kid": "*", "fid": "*", "cid": "*"}
    listed = {
        (method, path.format(**places).replace("/spa/", "/*/"))
        for method, path in (*CHANGING, *READING, *BY_SESSION)
    }
    assert told == listed, "a route came or went: add it above"


@pytest.mark.threat(
    "WEB-csrf", off=["admit.credentials.csrf:check_token", "admit.credentials.csrf:check_origin"]
)
async def test_no_page_of_another_site_ends_anything(issuer: LiveIssuer) -> None:
    root, stranger = await by_session(issuer, ROOT), await by_session(issuer, BO)
    places = await named(issuer, stranger)
    own, others = root.headers["x-csrf-token"], stranger.headers["x-csrf-token"]
    forgeries: tuple[dict[str, str], ...] = (
        {"origin": ISSUER},
        {"origin": ISSUER, "x-csrf-token": others},
        {"origin": ISSUER, "x-csrf-token": ""},
        {"origin": "https://evil.example", "x-csrf-token": own},
        {"origin": "null", "x-csrf-token": own},
        {"sec-fetch-site": "cross-site", "x-csrf-token": own},
        {"origin": "https://evil.example", "content-type": "text/plain"},
    )
    before = await everything(issuer)
    for method, path in CHANGING:
        for headers in forgeries:
            refused = await root.browser.request(method, path.format(**places), headers=headers)
            assert (refused.status_code, refused.json()["error"]) == (403, "csrf_failed"), (path, headers)
        taken = {one for one, where in CHANGING if where == path}
        for other in {"POST", "PUT", "PATCH"} - taken:
            forced = await root.browser.request(
                other, path.format(**places), headers={**root.headers, "x-http-method-override": "DELETE"}
            )
            assert forced.status_code == 405
        asked = await root.browser.get(path.format(**places) + "?_method=DELETE", headers=root.headers)
        assert asked.status_code in (400, 405)
    assert await everything(issuer) == before


async def test_a_page_of_a_first_party_application_may_with_the_token(issuer: LiveIssuer) -> None:
    api = await by_session(issuer, ADA, origin=SPA)
    await by_session(issuer)
    answer = await api("DELETE", "/api/sessions")
    assert answer.json()["sessions"] == 1
    assert answer.headers["access-control-allow-origin"] == SPA


@pytest.mark.threat("ADM-route", off="admit.issuer.accounts.rules:may_operate")
async def test_every_route_for_every_kind_of_caller(issuer: LiveIssuer) -> None:
    user, user_token = await by_session(issuer, BO), await by_token(issuer, BO)
    root, root_token = await by_session(issuer, ROOT), await by_token(issuer, ROOT)
    nobody = Api(issuer.browser(), {})
    places = await named(issuer, user)
    before = await everything(issuer)
    for method, path in (*READING, *CHANGING):
        refused = await nobody(method, path.format(**places))
        assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
        if path.startswith(OF_OPERATORS):
            for api in (user, user_token):
                for name in (
                    path.format(**places),
                    path.format(sub="u_" + "0" * 22, kid="none").replace("spa", "none"),
                ):
                    refused = await api(method, name)
                    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert await everything(issuer) == before, "and nobody of them changed anything"
    for method, path in READING:
        for api in (user, user_token, root, root_token):
            wanted = 200 if api in (root, root_token) or not path.startswith(OF_OPERATORS) else 403
            assert (await api(method, path.format(**places))).status_code == wanted


@pytest.mark.threat("9700-privilege", off="admit.issuer.app.api.caller:is_for_issuer_alone")
async def test_only_a_token_for_the_issuer_alone_with_the_scope_opens_it(issuer: LiveIssuer) -> None:
    good = await by_token(issuer)
    assert (await good("GET", "/api/sessions")).status_code == 200
    api_token = (await issuer.browser().tokens())["access_token"]
    shared = await by_token(
        issuer, client="wide", scope=SCOPE + " orders:own", resource="http://localhost:8412"
    )
    for headers in ({"authorization": f"Bearer {api_token}"}, shared.headers):
        for method, path in (("GET", "/api/sessions"), ("DELETE", "/api/sessions")):
            refused = await issuer.browser().request(method, path, headers=headers)
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    without = await by_token(issuer, scope="openid")
    refused = await without("DELETE", "/api/sessions")
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="admit:sessions"' in refused.headers["www-authenticate"]
    assert (await good("GET", "/api/sessions")).status_code == 200


async def test_a_token_decides_alone_beside_a_cookie_and_needs_no_csrf_token(issuer: LiveIssuer) -> None:
    bo, ada = await by_session(issuer, BO), await by_token(issuer)
    both = Api(bo.browser, {**ada.headers, "origin": "https://evil.example"})
    assert await both.ids() == await ada.ids()
    broken = Api(bo.browser, {"authorization": "Bearer x", "x-csrf-token": bo.headers["x-csrf-token"]})
    assert (await broken("DELETE", "/api/sessions?all=true")).status_code == 401
    assert (await bo.browser.get("/api/session")).status_code == 200


async def test_what_ended_or_was_disabled_ends_nothing_any_more(issuer: LiveIssuer) -> None:
    token, cookie, other = await by_token(issuer), await by_session(issuer), await by_session(issuer)
    kept = cookie.browser.cookies[SESSION_COOKIE]
    await cookie("DELETE", f"/api/sessions/{(await cookie.browser.get('/api/session')).json()['sid']}")
    cookie.browser.cookies.set(SESSION_COOKIE, kept, domain="localhost.local")
    assert (await cookie("DELETE", "/api/sessions")).status_code == 401
    (grant,) = [
        one for one in (await token("GET", "/api/grants")).json()["grants"] if one["client_id"] == "agent"
    ]
    assert (await token("DELETE", f"/api/grants/{grant['id']}")).status_code == 204
    await issuer.settle()
    assert (await token("DELETE", "/api/sessions")).status_code == 401
    assert (await other.browser.get("/api/session")).status_code == 200


# The description


async def test_the_description_is_that_of_the_routes(issuer: LiveIssuer) -> None:
    answer = await issuer.browser().get("/api/openapi.json")
    told = answer.json()
    assert answer.status_code == 200
    assert told["openapi"] == "3.1.0"
    routes = [route for route in issuer.routes if route.path.startswith("/api/")]
    assert {
        (path, method) for path, methods in told["paths"].items() for method in methods
    } == {
        (route.path.replace("*", f"{{{route.value}}}"), method.lower())
        for route in routes
        for method in route.handlers
    }  # fmt: skip
    operations = [one for methods in told["paths"].values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    schemes = told["components"]["securitySchemes"]
    assert schemes["session"]["name"] == SESSION_COOKIE
    assert schemes["token"]["flows"]["authorizationCode"]["tokenUrl"] == f"{ISSUER}/token"
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            for way in one["security"]:
                assert way.keys() <= schemes.keys()
                assert ("csrf" in way) == ("session" in way and method != "get"), (path, method)
            places = [
                parameter["name"] for parameter in one.get("parameters", []) if parameter["in"] == "path"
            ]
            assert all(f"{{{name}}}" in path for name in places)
            assert path.count("{") == len(places)
    for reference in references(told):
        _, _, kind, name = reference.split("/")
        assert name in told["components"][kind]


def references(value: Any) -> list[str]:
    """All `$ref` in a document."""
    if isinstance(value, dict):
        return (
            [value["$ref"]] if "$ref" in value else [r for inner in value.values() for r in references(inner)]
        )
    return [r for inner in value for r in references(inner)] if isinstance(value, list) else []
