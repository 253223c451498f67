"""The header table: every kind of route, every error, nothing weaker than its row."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from admit.issuer.app import headers
from admit.issuer.app.headers import PAGES, ROUTES, HeaderTable, Kind, form_source, kind_of, table

APP = "https://app.example.com/callback"
ALL = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}
EXPECTED: Mapping[Kind, Mapping[str, str | None]] = {
    Kind.PAGE: {
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": None,
        "access-control-allow-origin": None,
    },
    Kind.FLOW: {
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": None,
    },
    Kind.ACCOUNT: {
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
    },
    Kind.JSON: {
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "access-control-allow-origin": None,
    },
    Kind.PROTOCOL: {
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "pragma": "no-cache",
        "cross-origin-resource-policy": "same-origin",
        "access-control-allow-origin": None,
    },
    Kind.METADATA: {
        "referrer-policy": "no-referrer",
        "cache-control": "public, max-age=300",
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",
    },
    Kind.STATIC: {
        "referrer-policy": "no-referrer",
        "cache-control": "public, max-age=31536000, immutable",
        "cross-origin-resource-policy": "same-origin",
    },
}
SHOWN = tuple(kind for kind in Kind if kind is not Kind.SIGNED)
"""What a browser could show; a signed status is for programs, and only its errors are shown."""


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    assert len({name for name, *_ in parts}) == len(parts), "a doubled directive is ignored by browsers"
    return {name: sources for name, *sources in parts}


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:table")
@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:caching")
@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:transport")
@pytest.mark.threat("6819-4.2.1", off="admit.issuer.app.headers:transport")
@pytest.mark.parametrize("kind", SHOWN)
def test_each_kind_of_route_has_its_row(kind: Kind) -> None:
    row = headers.table(kind, https=True)
    for name, value in {**ALL, **EXPECTED[kind]}.items():
        assert row.get(name) == value, name


@pytest.mark.parametrize("status", [200, 304])
def test_a_signed_status_has_what_programs_need_and_no_more(status: int) -> None:
    row = headers.table(Kind.SIGNED, https=True, status=status)
    assert row == {"x-content-type-options": "nosniff", "cache-control": "no-store"}


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:content_sources")
@pytest.mark.parametrize("kind", SHOWN)
def test_no_policy_allows_inline_code_or_foreign_files(kind: Kind) -> None:
    policy = directives(headers.table(kind, https=True)["content-security-policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    for name in ("script-src", "style-src", "img-src"):
        assert policy.get(name) == (["'self'"] if kind in PAGES else None)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [400, 404, 405, 500, 503])
def test_no_error_is_kept_by_caches(kind: Kind, status: int) -> None:
    assert table(kind, https=True, status=status)["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", Kind)
def test_an_issuer_by_http_promises_no_https(kind: Kind) -> None:
    assert "strict-transport-security" not in table(kind, https=False)


@pytest.mark.threat("6819-4.4.1.9", off="admit.issuer.app.headers:framing")
@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("status", [200, 302, 400, 404, 500])
def test_no_reply_may_be_framed(kind: Kind, status: int) -> None:
    row = headers.table(kind, https=False, status=status, form_target=APP)
    assert directives(row["content-security-policy"])["frame-ancestors"] == ["'none'"]
    assert row["x-frame-options"] == "DENY"


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:framing")
@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_an_error_of_a_signed_status_has_the_whole_row(status: int) -> None:
    row = headers.table(Kind.SIGNED, https=True, status=status)
    assert row == headers.table(Kind.PROTOCOL, https=True, status=status)
    assert row["x-frame-options"] == "DENY"


@pytest.mark.threat("6819-4.4.3.4", off="admit.issuer.app.headers:form_action")
def test_forms_lead_to_ourselves_and_to_the_target_of_their_flow_only() -> None:
    def action(kind: Kind, target: str | None) -> list[str]:
        return directives(headers.table(kind, https=True, form_target=target)["content-security-policy"])[
            "form-action"
        ]

    assert action(Kind.FLOW, APP) == ["'self'", "https://app.example.com"]
    assert action(Kind.FLOW, None) == ["'self'"]
    assert action(Kind.PAGE, APP) == ["'self'"]
    assert action(Kind.ACCOUNT, APP) == ["'self'"]
    assert action(Kind.JSON, APP) == ["'none'"]
    assert action(Kind.STATIC, APP) == ["'none'"]


@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        ("https://app.example.com/cb?x=1", "https://app.example.com"),
        ("https://app.example.com:8443/cb", "https://app.example.com:8443"),
        ("http://localhost:8411/", "http://localhost:8411"),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("HTTPS://APP.example.com/cb", "https://app.example.com"),
    ],
)
def test_a_redirect_uri_becomes_the_narrowest_source_that_policies_can_say(
    redirect_uri: str, source: str
) -> None:
    assert form_source(redirect_uri) == source


@pytest.mark.threat("WEB-xss", off="admit.issuer.app.headers:form_source")
@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://app.example.com;script-src *",
        "https://a.example https://b.example",
        "https://a.example,https://b.example",
        "https://*.example.com/",
        "https://user@evil.example;x/",
        "https://app.example.com:99999999/",
        "https://app.example.com:x/",
        "https://[::1/",
        "https://",
        "javascript:alert(1)",
        "data:text/html,x",
        "app;x:/",
    ],
)
def test_no_redirect_uri_writes_into_the_policy(redirect_uri: str) -> None:
    policy = directives(
        headers.table(Kind.FLOW, https=True, form_target=redirect_uri)["content-security-policy"]
    )
    extra = policy["form-action"][1:]
    assert extra in ([], ["https://evil.example"])
    assert set(policy) == set(directives(headers.table(Kind.FLOW, https=True)["content-security-policy"]))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/login", Kind.FLOW),
        ("/account", Kind.ACCOUNT),
        ("/account/sessions", Kind.ACCOUNT),
        ("/token", Kind.PROTOCOL),
        ("/session/lookup", Kind.PROTOCOL),
        ("/jwks", Kind.METADATA),
        ("/status", Kind.PROTOCOL),
        ("/status/head", Kind.SIGNED),
        ("/status/7", Kind.SIGNED),
        ("/.well-known/openid-configuration", Kind.METADATA),
        ("/static/abc/admit.css", Kind.STATIC),
        ("/api/session", Kind.JSON),
        ("/tokens", Kind.PAGE),
        ("/nothing/here", Kind.PAGE),
        ("//", Kind.PAGE),
        ("", Kind.PAGE),
    ],
)
def test_the_kind_of_a_path_is_its_own_or_its_folders(path: str, kind: Kind) -> None:
    assert kind_of(path) is kind


def application() -> Starlette:
    async def page(request: Request) -> Response:
        return HTMLResponse("<p>")

    async def data(request: Request) -> Response:
        return JSONResponse({})

    async def broken(request: Request) -> Response:
        raise RuntimeError("planted")

    async def own(request: Request) -> Response:
        return PlainTextResponse("", headers={"Cache-Control": "private"})

    return Starlette(
        routes=[
            Route("/login", page),
            Route("/account", page),
            Route("/api/session", data),
            Route("/token", data, methods=["POST"]),
            Route("/jwks", broken),
            Route("/consent", broken),
            Route("/static/v/x.css", own),
        ]
    )


def get(app: Any, path: str, *, root_path: str = "") -> tuple[int, dict[str, str]]:
    """One GET through plain ASGI; what is raised after the reply began stays in the server's hands."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "GET",
        "path": root_path + path,
        "root_path": root_path,
        "query_string": b"",
        "headers": [],
        "scheme": "https",
        "server": ("id.example.com", 443),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
    }
    with contextlib.suppress(RuntimeError):
        asyncio.run(app(scope, receive, send))
    start = sent[0]
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "a doubled header"
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}


ROUTED = [
    ("/login", 200, Kind.FLOW),
    ("/account", 200, Kind.ACCOUNT),
    ("/api/session", 200, Kind.JSON),
    ("/token", 405, Kind.PROTOCOL),
    ("/jwks", 500, Kind.METADATA),
    ("/consent", 500, Kind.FLOW),
    ("/nowhere", 404, Kind.PAGE),
    ("/static/none.css", 404, Kind.STATIC),
]


@pytest.mark.threat("WEB-headers", off="admit.issuer.app.headers:table")
@pytest.mark.threat("6819-4.4.1.9", off="admit.issuer.app.headers:framing")
@pytest.mark.parametrize(("path", "status", "kind"), ROUTED)
def test_every_reply_and_every_error_carries_the_row_of_its_path(path: str, status: int, kind: Kind) -> None:
    got_status, got = get(HeaderTable(application(), https=True), path)
    assert got_status == status
    want = {**ALL, **{name: value for name, value in EXPECTED[kind].items() if value is not None}}
    if status != 200:
        want["cache-control"] = "no-store"
    assert {name: got.get(name) for name in want} == want
    assert "frame-ancestors 'none'" in got["content-security-policy"]
    assert "charset=utf-8" in got["content-type"] or "json" in got["content-type"]


def test_a_mounted_issuer_finds_the_row_below_its_mount() -> None:
    inner = HeaderTable(application(), https=True)
    _, got = get(Starlette(routes=[Mount("/auth", app=inner)]), "/auth/account")
    assert got["cross-origin-opener-policy"] == "same-origin"
    _, got = get(inner, "/account", root_path="/auth")
    assert got["cross-origin-opener-policy"] == "same-origin"


def test_what_a_response_says_itself_stays_and_the_rest_is_filled_in() -> None:
    _, got = get(HeaderTable(application(), https=True), "/static/v/x.css")
    assert got["cache-control"] == "private"
    assert got["x-content-type-options"] == "nosniff"


def test_text_without_a_charset_gets_one_and_json_does_not() -> None:
    assert headers.with_charset(b"text/html") == b"text/html; charset=utf-8"
    assert headers.with_charset(b"text/css; Charset=utf-8") == b"text/css; Charset=utf-8"
    assert headers.with_charset(b"application/json") == b"application/json"


def test_other_protocols_pass_through_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def unused(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(HeaderTable(inner, https=True)({"type": "lifespan"}, unused, unused))
    assert seen == ["lifespan"]


def test_the_table_of_routes_holds_paths_only() -> None:
    assert all(path.startswith("/") for path in ROUTES)
