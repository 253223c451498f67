"""SES-6, ADM-route, WEB-csrf: the JSON API that lists and ends. Who may, what is told, and whose it is."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

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
    SPA,
    Browser,
    LiveIssuer,
    make_issuer,
    pkce,
    request_of,
    settings_for,
)
from tests.threats.whole import SESSION_COOKIE, events, everything, user_id_of

pytestmark = pytest.mark.anyio
SCOPE = "openid admit:sessions admit:keys"
ROOT = ("root@example.com", "the root of all of it", "Root", ("admit:admin",))
AGENT = replace(
    CLIENTS[1], id="agent", name="An agent", scopes=CLIENTS[1].scopes | {"admit:sessions", "admit:keys"}
)
OWN_CLIENTS = (*WITH_APP, AGENT, replace(AGENT, id="wide", userinfo_audience=True))


@pytest.fixture
async def issuer(furnished_sqlite: str, keyring: Keyring) -> AsyncIterator[LiveIssuer]:
    """The usual issuer, with an operator, and with a client that may end sessions."""
    async with running(furnished_sqlite, keyring) as made:
        yield made


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


# What the owner sees and ends


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_a_user_lists_sessions_and_grants_and_reads_nothing_that_lets_in(
    issuer: LiveIssuer, way: Any
) -> None:
    elsewhere = await by_session(issuer)
    api: Api = await way(issuer)
    offline = await tokens_for(elsewhere.browser, ADA, "native", scope="openid offline_access")
    sessions, grants = await api("GET", "/api/sessions"), await api("GET", "/api/grants")
    fits(sessions.json(), SCHEMAS["Sessions"])
    fits(grants.json(), SCHEMAS["Grants"])
    told = {one["id"]: one["current"] for one in sessions.json()["sessions"]}
    other = (await elsewhere.browser.get("/api/session")).json()["sid"]
    assert len(told) == 2
    assert not told[other]
    assert list(told.values()).count(True) == 1
    assert [one["client_id"] for one in grants.json()["grants"]].count("native") == 1
    assert {one["offline"] for one in grants.json()["grants"] if one["client_id"] == "native"} == {True}
    text = sessions.text + grants.text
    for secret in (
        elsewhere.browser.cookies[SESSION_COOKIE],
        offline["refresh_token"],
        offline["access_token"],
    ):
        assert secret not in text


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_a_user_ends_one_session_and_then_all_others(issuer: LiveIssuer, way: Any) -> None:
    first, second, third = [await by_session(issuer) for _ in range(3)]
    api: Api = await way(issuer)
    sid = (await first.browser.get("/api/session")).json()["sid"]
    assert (await api("DELETE", f"/api/sessions/{sid}")).status_code == 204
    assert (await first.browser.get("/api/session")).status_code == 401
    assert (await second.browser.get("/api/session")).status_code == 200
    assert (await api("DELETE", f"/api/sessions/{sid}")).status_code == 404, "over already"
    answer = await api("DELETE", "/api/sessions")
    assert answer.json() == {"sessions": 2, "grants": 0, "refused_within": 30.0}
    fits(answer.json(), SCHEMAS["Ended"])
    assert [(await one.browser.get("/api/session")).status_code for one in (second, third)] == [401, 401]
    assert (await api("GET", "/api/sessions")).status_code == 200, "the caller's own goes on"


async def test_all_means_this_session_too_and_offline_means_everything(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    offline = await tokens_for(api.browser, ADA, "native", scope="openid offline_access")
    answer = await api("DELETE", "/api/sessions?all=true")
    assert answer.json()["sessions"] == 1
    assert any(value.startswith(f"{SESSION_COOKIE}=;") for value in answer.headers.get_list("set-cookie"))
    assert (await api.browser.get("/api/session")).status_code == 401
    again = await api.browser.refresh(offline["refresh_token"], "native")
    assert again.status_code == 200, "an offline grant goes on"
    api = await by_session(issuer)
    answer = await api("DELETE", "/api/sessions?offline=true")
    assert answer.json() == {"sessions": 1, "grants": 1, "refused_within": 30.0}
    refused = await api.browser.refresh(again.json()["refresh_token"], "native")
    assert refused.json()["error"] == "invalid_grant"


async def test_ending_the_session_in_use_takes_the_cookie_back(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    sid = (await api.browser.get("/api/session")).json()["sid"]
    answer = await api("DELETE", f"/api/sessions/{sid}")
    assert answer.status_code == 204
    assert any(value.startswith(f"{SESSION_COOKIE}=;") for value in answer.headers.get_list("set-cookie"))


async def test_a_grant_ends_alone_and_its_tokens_are_refused(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    tokens = await api.browser.tokens()
    (grant,) = (await api("GET", "/api/grants")).json()["grants"]
    assert (grant["client_id"], grant["client_name"], grant["offline"]) == ("spa", "Orders", False)
    assert (await api("DELETE", f"/api/grants/{grant['id']}")).status_code == 204
    assert (await api("DELETE", f"/api/grants/{grant['id']}")).status_code == 404
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await issuer.browser().get("/userinfo", headers=bearer)).status_code == 401
    assert (await api("GET", "/api/sessions")).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["?al=true", "?all=yes", "?all=1", "?all=true&all=true", "?all=true&x=true", "?all=", "?all", "?x="],
)
async def test_a_misspelt_flag_ends_nothing(issuer: LiveIssuer, query: str) -> None:
    other, api = await by_session(issuer), await by_session(issuer)
    answer = await api("DELETE", f"/api/sessions{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await other.browser.get("/api/session")).status_code == 200


# Whose it is


@pytest.mark.parametrize("way", [by_session, by_token])
@pytest.mark.threat(
    "SES-6", off=["admit.issuer.sessions.transactions:owned", "admit.issuer.grants.ends:owned"]
)
async def test_what_belongs_to_another_is_not_there(issuer: LiveIssuer, way: Any) -> None:
    theirs = await by_session(issuer, BO)
    await theirs.browser.tokens(BO)
    ids = await theirs.ids(), await theirs.ids("/api/grants")
    api: Api = await way(issuer)
    for path, found in zip(("/api/sessions", "/api/grants"), ids, strict=True):
        assert found.isdisjoint(await api.ids(path))
        for one in found:
            nothing = await api("DELETE", f"{path}/{'x' * 22}")
            refused = await api("DELETE", f"{path}/{one}")
            assert refused.status_code == nothing.status_code == 404
            assert refused.json() == nothing.json(), "it is not told whether there is such a one"
    assert (await theirs.ids(), await theirs.ids("/api/grants")) == ids


async def test_odd_ids_are_404_and_end_nothing(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    before = await everything(issuer)
    for odd in ("-", "..", "%00", "*", "A" * 5_000, "u_x", "null", "1", "%2e%2e", "a%2fb", "'"):
        for path in ("/api/sessions/", "/api/grants/"):
            # A path of more than one spelling is refused as such.
            wanted = 400 if "%" in odd else 404
            assert (await api("DELETE", path + odd)).status_code == wanted, odd
    assert await everything(issuer) == before


# Who may call


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


async def named(issuer: LiveIssuer, api: Api) -> dict[str, str]:
    """What stands in the places of those paths: things of the caller's own, who is still no operator."""
    await api.browser.tokens(BO) if "x-csrf-token" in api.headers else None
    (gid, *_), (sid, *_) = await api.ids("/api/grants"), await api.ids()
    kid = issuer.keys.snapshot.signer("token", "ES256").kid or ""
    return {"sub": await user_id_of(issuer, BO[0]), "sid": sid, "gid": gid, "kid": kid, "cid": "spa"}


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


# Operators


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_an_operator_sees_and_ends_all_sessions_of_a_user_and_is_named_in_the_audit(
    issuer: LiveIssuer, way: Any
) -> None:
    theirs = [await by_session(issuer, BO) for _ in range(2)]
    offline = await tokens_for(theirs[0].browser, BO, "native", scope="openid offline_access")
    root: Api = await way(issuer, ROOT)
    bo, me = await user_id_of(issuer, BO[0]), await user_id_of(issuer, ROOT[0])
    listed = await root("GET", f"/api/users/{bo}/sessions")
    fits(listed.json(), SCHEMAS["Sessions"])
    assert {one["id"] for one in listed.json()["sessions"]} == await theirs[0].ids()
    assert not any(one["current"] for one in listed.json()["sessions"])
    answer = await root("DELETE", f"/api/users/{bo}/sessions")
    assert answer.json() == {"sessions": 2, "grants": 0, "refused_within": 30.0}
    assert [(await one.browser.get("/api/session")).status_code for one in theirs] == [401, 401]
    assert (await root("DELETE", f"/api/users/{bo}/sessions?offline=true")).json()["grants"] == 1
    refused = await theirs[0].browser.refresh(offline["refresh_token"], "native")
    assert refused.json()["error"] == "invalid_grant"
    told = [one for one in await events(issuer) if one["event"] in ("session.ended", "grant.ended")]
    assert {(one["user_id"], one["actor"]) for one in told} == {(bo, me)}
    assert len(told) == 3
    missing = await root("DELETE", f"/api/users/u_{'0' * 22}/sessions")
    assert (missing.status_code, missing.json()["error"]) == (404, "user_not_found")


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_an_operator_revokes_a_key_and_what_it_signed_is_good_no_more(
    issuer: LiveIssuer, way: Any
) -> None:
    user, root = await by_token(issuer, BO), await way(issuer, ROOT)
    kid = issuer.keys.snapshot.signer("token", "ES256").kid
    answer = await root("DELETE", f"/api/keys/{kid}")
    assert (answer.status_code, answer.content) == (204, b"")
    await issuer.settle()
    assert (await user("GET", "/api/sessions")).status_code == 401
    assert kid in issuer.keys.snapshot.revoked_kids
    assert issuer.keys.snapshot.signer("token", "ES256").kid != kid
    (told,) = [one for one in await events(issuer) if one["event"] == "key.revoked"]
    assert (told["actor"], told["detail"]["kid"]) == (await user_id_of(issuer, ROOT[0]), kid)
    again = await by_session(issuer, ROOT)
    for known in (kid, "none", "status-"):
        assert (await again("DELETE", f"/api/keys/{known}")).status_code == 404
    assert (await again("DELETE", f"/api/keys/{kid}?x=1")).status_code == 400


@pytest.mark.threat("9700-privilege", off="admit.issuer.app.api.caller:check_scope")
async def test_a_token_to_end_sessions_revokes_no_key_and_one_to_revoke_keys_ends_no_session(
    issuer: LiveIssuer,
) -> None:
    kid = issuer.keys.snapshot.signer("token", "ES256").kid
    for scope, opened, closed in (
        ("admit:sessions", "/api/sessions", f"/api/keys/{kid}"),
        ("admit:keys", "/api/keys/none", "/api/sessions"),
    ):
        root = await by_token(issuer, ROOT, scope=f"openid {scope}")
        refused = await root("DELETE", closed)
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        assert scope not in refused.headers["www-authenticate"]
        assert (await root("DELETE", opened)).status_code in (200, 404)
    assert kid not in issuer.keys.snapshot.revoked_kids


async def test_an_operator_ends_all_of_a_client_which_may_be_used_again(issuer: LiveIssuer) -> None:
    people = [issuer.browser() for _ in range(2)]
    tokens = [await one.tokens(who) for one, who in zip(people, (ADA, BO), strict=True)]
    kept = await people[0].tokens(ADA, "web")
    root = await by_session(issuer, ROOT)
    answer = await root("DELETE", "/api/clients/spa/grants")
    assert answer.json() == {"sessions": 0, "grants": 2, "refused_within": 30.0}
    for one, held in zip(people, tokens, strict=True):
        assert (await one.refresh(held["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await people[0].refresh(kept["refresh_token"], "web")).status_code == 200
    assert (await people[0].tokens())["access_token"]
    (told,) = [one for one in await events(issuer) if one["event"] == "client.grants_ended"]
    assert (told["client_id"], told["actor"]) == ("spa", await user_id_of(issuer, ROOT[0]))
    for nobody in ("none", "admit", "u_x", "*"):
        missing = await root("DELETE", f"/api/clients/{nobody}/grants")
        assert (missing.status_code, missing.json()["error"]) == (404, "client_not_found")


@pytest.mark.threat("6819-4.4.3.2", off="admit.issuer.app.pages.apps:reaches_everybody")
async def test_an_operator_is_told_that_an_application_would_reach_everybody(issuer: LiveIssuer) -> None:
    for who, said in ((ROOT, "See and end everybody"), (BO, "See and end your sessions")):
        browser = issuer.browser()
        asked = {**request_of("native"), "client_id": "agent", "scope": SCOPE, "resource": ISSUER}
        signed_in = await browser.sign_in(who, **asked, code_challenge=pkce()[1])
        page = await browser.get(signed_in.headers["location"])
        assert said in page.text, "at the consent page"
        await by_token(issuer, who)
        await browser.sign_in(who)
        assert said in (await browser.get("/account")).text, "and among the applications"


async def test_a_role_that_was_taken_is_gone_at_once_for_tokens_too(issuer: LiveIssuer) -> None:
    root, token = await by_session(issuer, ROOT), await by_token(issuer, ROOT)
    me, bo = await user_id_of(issuer, ROOT[0]), await user_id_of(issuer, BO[0])
    await issuer.services.accounts.remove_role(me, "admit:admin", info=RequestInfo(), now=issuer.clock())
    for api in (root, token):
        assert (await api("GET", f"/api/users/{bo}/sessions")).status_code in (401, 403)


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


async def test_the_callers_own_session_is_as_described(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    fits((await api.browser.get("/api/session")).json(), SCHEMAS["OwnSession"])
    fits((await issuer.browser().get("/api/sessions")).json(), SCHEMAS["Error"])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_same_on_postgresql(database_url: str, keyring: Keyring) -> None:
    from tests.fixtures.issuer import add_people

    async with running(database_url, keyring) as issuer:
        await add_people(issuer)
        ada, other = await by_session(issuer), await by_session(issuer)
        await ada.browser.tokens()
        offline = await tokens_for(other.browser, ADA, "native", scope="openid offline_access")
        (grant,) = [
            one["id"] for one in (await ada("GET", "/api/grants")).json()["grants"] if not one["offline"]
        ]
        assert (await ada("DELETE", f"/api/grants/{grant}")).status_code == 204
        assert (await ada("DELETE", "/api/sessions")).json()["sessions"] == 1
        root = await by_session(issuer, ROOT)
        sub = await user_id_of(issuer, ADA[0])
        answer = await root("DELETE", f"/api/users/{sub}/sessions?offline=true")
        assert answer.json() == {"sessions": 1, "grants": 1, "refused_within": 30.0}
        refused = await ada.browser.refresh(offline["refresh_token"], "native")
        assert refused.json()["error"] == "invalid_grant"
        await ada.browser.tokens()
        assert (await root("DELETE", "/api/clients/spa/grants")).json()["grants"] == 1


# Names


@pytest.mark.parametrize("way", [by_session, by_token])
async def test_a_user_names_a_session(issuer: LiveIssuer, way: Any) -> None:
    other = await by_session(issuer)
    api: Api = await way(issuer)
    sid = (await other.browser.get("/api/session")).json()["sid"]

    async def name(value: object) -> httpx2.Response:
        return await api.browser.patch(f"/api/sessions/{sid}", json={"name": value}, headers=api.headers)

    assert (await name("The old laptop")).status_code == 204
    listed = (await api("GET", "/api/sessions")).json()
    fits(listed, SCHEMAS["Sessions"])
    assert {one["id"]: one["name"] for one in listed["sessions"]}[sid] == "The old laptop"
    assert (await name(None)).status_code == 204
    for refused in ("x" * 61, "a\nb", "\u202ex"):
        assert (await name(refused)).json()["error"] == "invalid_session_name"
    for refused in (1, True, ["x"], {"x": "y"}):
        assert (await name(refused)).json()["error"] == "invalid_request"
    again = (await api("GET", "/api/sessions")).json()["sessions"]
    assert {one["id"]: one["name"] for one in again}[sid] is None


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.store:rename_own")
async def test_nobody_names_the_session_of_another(issuer: LiveIssuer) -> None:
    theirs, api = await by_session(issuer, BO), await by_session(issuer)
    (sid,) = await theirs.ids()
    named = await api.browser.patch(f"/api/sessions/{sid}", json={"name": "x"}, headers=api.headers)
    nothing = await api.browser.patch(f"/api/sessions/{'x' * 22}", json={"name": "x"}, headers=api.headers)
    assert (named.status_code, named.json()) == (nothing.status_code, nothing.json())
    assert named.status_code == 404


BODIES = (
    (b'{"name": "x"}', "text/plain", 415), (b'{"name": "x"}', "", 415), (b"name=x", "application/json", 400),
    (b"{}", "application/json", 400), (b'{"name": "x", "id": "y"}', "application/json", 400),
    (b'{"name": "x", "name": "y"}', "application/json", 400), (b'["name"]', "application/json", 400),
    (b'{"name": "' + b"x" * 5_000 + b'"}', "application/json", 413), (b"\xff\xfe", "application/json", 400),
)  # fmt: skip


async def test_a_body_that_is_not_the_one_object_names_nothing(issuer: LiveIssuer) -> None:
    api = await by_session(issuer)
    (sid,) = await api.ids()
    for body, kind, status in BODIES:
        headers = {**api.headers, **({"content-type": kind} if kind else {})}
        answer = await api.browser.patch(f"/api/sessions/{sid}", content=body, headers=headers)
        assert answer.status_code == status, body
    assert [one["name"] for one in (await api("GET", "/api/sessions")).json()["sessions"]] == [None]
