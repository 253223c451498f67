"""WEB-headers: every route, method and error code of the whole issuer, compared with the header table."""

from collections.abc import Mapping
from urllib.parse import quote

import httpx2
import pytest

from admit.errors import StorageUnavailableError
from tests.fixtures.issuer import ADA, API, API_SECRET, ISSUER, SPA, Browser, LiveIssuer, pkce, request_of
from tests.threats.whole import Heard

pytestmark = pytest.mark.anyio

# Written out by hand from contracts §8, so that the table is not compared with itself.
PAGE = {
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
ACCOUNT = {**PAGE, "cross-origin-opener-policy": "same-origin"}
JSON = {
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
PROTOCOL = {**JSON, "pragma": "no-cache"}
PUBLIC = {
    "referrer-policy": "no-referrer", "cache-control": "public, max-age=300",
    "cross-origin-resource-policy": "cross-origin", "access-control-allow-origin": "*",
}  # fmt: skip
ROWS: Mapping[str, Mapping[str, str]] = {
    "/": PAGE, "/login": PAGE, "/signup": PAGE, "/consent": PAGE, "/authorize": PAGE, "/logout": PAGE,
    "/account": ACCOUNT, "/account/password": ACCOUNT,
    "/login/second-factor": PAGE, "/login/second-factor/add": PAGE, "/login/second-factor/done": PAGE,
    "/login/account": PAGE,
    "/account/second-factor": ACCOUNT, "/account/second-factor/add": ACCOUNT,
    "/api/second-factors": JSON, "/api/second-factors/*": JSON,
    "/account/email": ACCOUNT, "/forgot": PAGE, "/reset": PAGE, "/verify": PAGE,
    "/par": PROTOCOL, "/token": PROTOCOL, "/revoke": PROTOCOL, "/userinfo": PROTOCOL, "/introspect": PROTOCOL,
    "/session/lookup": PROTOCOL, "/api/session": JSON, "/api/sessions": JSON, "/api/sessions/*": JSON,
    "/api/grants": JSON, "/api/grants/*": JSON, "/api/users/*/sessions": JSON, "/api/clients/*/grants": JSON,
    "/api/consents": JSON, "/api/consents/*": JSON, "/api/keys/*": JSON,
    "/api/openapi.json": JSON, "/health/live": JSON, "/health/ready": JSON,
    "/.well-known/openid-configuration": PUBLIC, "/.well-known/oauth-authorization-server": PUBLIC,
    "/jwks": PUBLIC,
    "/status": PROTOCOL, "/status/head": PROTOCOL, "/status/events": PROTOCOL, "/status/*": PROTOCOL,
}  # fmt: skip


def check(response: httpx2.Response, expected: Mapping[str, str]) -> None:
    """One reply beside its row."""
    where = f"{response.request.method} {response.request.url.path} → {response.status_code}"
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff", where
    if response.request.url.path.startswith("/status/") and response.status_code in (200, 304):
        assert headers["cache-control"] in ("no-store", "no-cache"), where
        return  # signed, and for programs alone: a browser has nothing to show
    assert headers["x-frame-options"] == "DENY", where
    policy = headers["content-security-policy"]
    for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action "):
        assert directive in policy, where
    for loose in ("unsafe-inline", "unsafe-eval", "*", "data:", "http:"):
        assert loose not in policy.replace("http://", ""), where
    assert "strict-transport-security" not in headers, "on http it would be ignored"
    for name, value in expected.items():
        if name == "cache-control":
            if response.status_code not in (200, 304):
                value = "no-store"
            elif response.request.url.path == "/status/0":
                value = "no-cache"
        assert headers.get(name) == value, f"{where}: {name}"
    if response.content and "content-type" in headers:
        kind = headers["content-type"]
        assert kind.endswith("; charset=utf-8") or not kind.startswith("text/"), where
    for told in ("server", "x-powered-by", "via"):
        assert told not in headers, where


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:table")
@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:caching")
@pytest.mark.threat("6819-4.4.1.9", off="admit.issuer.app.headers:framing")
async def test_every_route_and_status_has_the_headers_of_its_row(
    issuer: LiveIssuer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    statuses: set[int] = set()
    stranger, known = heard.listen(issuer.browser()), heard.listen(browser)
    tokens = await known.tokens(client="native")
    code, verifier = await known.code()
    await known.redeem(code, verifier)
    await known.redeem(code, verifier)
    page = (await stranger.get("/login")).text
    for n in range(12):
        await stranger.submit("/login", page, email=ADA[0], password=f"a guess {n}")
    await stranger.post("/login", data={"email": ADA[0]})
    await known.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    await known.get("/status/head", params={"nonce": "n" * 32})
    etag = (await known.get("/status/0")).headers["etag"]
    await known.get("/status/0", headers={"if-none-match": etag})
    lookup = {"json": {"id_hash": "A" * 43}, "auth": (quote(API, safe=""), API_SECRET)}
    await known.post("/session/lookup", **lookup)  # type: ignore[arg-type]  # one of each
    for path in ("/authorize", "/consent", "/logout"):
        await known.get(path, params={**request_of("native"), "code_challenge": pkce()[1]})
    table = {
        route.path: ROWS.get(route.path) for route in issuer.routes if not route.path.startswith("/static/")
    }
    assert table.keys() == ROWS.keys(), "a route came or went: give it its row here"
    large = {"content-type": "application/x-www-form-urlencoded"}
    for path in (name.replace("*", "0") for name in ROWS):
        for visitor in (stranger, known):
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                await visitor.request(method, path, headers={"origin": "https://evil.example"})
        await known.post(path, content=b"x" * 100_000, headers=large)
        await known.get(path, headers={"host": "evil.example"})
        await known.options(path, headers={"origin": SPA, "access-control-request-method": "POST"})

    async def fault(*args: object, **kwargs: object) -> object:
        raise RuntimeError("a fault")

    async def away(*args: object, **kwargs: object) -> object:
        raise StorageUnavailableError

    for trouble in (fault, away):
        with monkeypatch.context() as patch:
            for name in ("run", "read", "one"):
                patch.setattr(issuer.db, name, trouble)
            for path in (name.replace("*", "0") for name in ROWS):
                await known.get(path)
                await known.post(
                    path, data={"grant_type": "refresh_token", "refresh_token": "x"}, auth=("web", "")
                )
    row_of = {name.replace("*", "0"): row for name, row in ROWS.items()}
    for response in heard.responses:
        check(response, row_of[response.request.url.path])
        statuses.add(response.status_code)
    assert statuses >= {200, 204, 303, 304, 400, 401, 403, 404, 405, 413, 415, 421, 429, 500, 503}


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:table")
@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/account/",
        "/login/x",
        "/%2e%2e/login",
        "/token/",
        "/status/head/x",
        "//login",
        "/static/x/y",
    ],
)
async def test_what_is_not_there_has_headers_too(browser: Browser, path: str) -> None:
    response = await browser.get(ISSUER + path)
    assert response.status_code in (400, 404)
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:caching")
async def test_only_static_files_may_be_kept_for_good(issuer: LiveIssuer, browser: Browser) -> None:
    assets = issuer.app.pages.assets
    for name in assets.files:
        response = await browser.get(assets.path(name))
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"
    missing = await browser.get(assets.path(next(iter(assets.files))).replace(assets.version, "0" * 12))
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:form_action")
async def test_forms_lead_to_us_and_to_this_transactions_client_alone(browser: Browser) -> None:
    await browser.sign_in()
    started = await browser.get("/authorize", params={**request_of("native"), "code_challenge": pkce()[1]})
    page = await browser.get(started.headers["location"])
    assert "form-action 'self' http://127.0.0.1:5123;" in page.headers["content-security-policy"]
    account = await browser.get("/account")
    assert "form-action 'self';" in account.headers["content-security-policy"]
