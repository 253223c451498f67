"""9700-proxy, INF-path: what a proxy in front says, and what a stranger says in its name."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from admit.errors import ConfigError
from admit.issuer.app import probe
from admit.issuer.app.config import ProxyConfig
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import ADA, Browser, LiveIssuer, make_issuer, settings_for
from tests.threats.whole import events

pytestmark = pytest.mark.anyio

FORGERIES = {
    "x-forwarded-for": "198.51.100.7",
    "forwarded": "for=198.51.100.7;proto=https;host=evil.example",
    "x-real-ip": "198.51.100.7",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "https",
    "x-forwarded-port": "443",
    "x-forwarded-prefix": "/evil",
    "x-original-url": "/account",
    "x-rewrite-url": "/account",
    "client-cert": ":MIIB:",
    "x-http-method-override": "DELETE",
}


@pytest.mark.threat("9700-proxy", off="admit.issuer.app.proxy:is_trusted")
async def test_a_direct_peer_that_sends_every_forwarding_header_stays_who_it_is(
    furnished_sqlite: str, keyring: Any
) -> None:
    settings = replace(settings_for(furnished_sqlite), proxy=ProxyConfig(trusted=("10.0.0.0/8",)))
    issuer = make_issuer(settings, keyring)
    async with issuer.lifespan():
        browser = issuer.browser("192.0.2.5")
        page = await browser.get("/login", headers=FORGERIES)
        plain = await issuer.browser("192.0.2.5").get("/login")
        assert page.status_code == plain.status_code == 200
        assert "evil" not in page.text
        await browser.submit("/login", page.text, email=ADA[0], password="wrong one")
        told = await browser.post(
            "/login",
            data={**_hidden(page), "email": ADA[0], "password": "wrong one"},
            headers={**FORGERIES, "origin": browser.origin},
        )
        assert told.status_code == 400
        metadata = (await browser.get("/.well-known/openid-configuration", headers=FORGERIES)).json()
        assert metadata["issuer"] == settings.issuer
        assert {urlsplit(value).netloc for name, value in metadata.items() if name.endswith("_endpoint")} == {
            urlsplit(settings.issuer).netloc
        }
        failed = [row for row in await events(issuer) if row["event"] == "login.failed"]
        assert len(failed) == 2
        assert {row["ip"] for row in failed} == {"192.0.2.5"}
        await browser.aclose()


def _hidden(page: httpx2.Response) -> dict[str, str]:
    from tests.fixtures.issuer import field_of

    return {"csrf": field_of(page.text, "csrf")}


async def test_a_proxy_that_is_named_tells_who_calls_in_audit_and_throttling(
    furnished_sqlite: str, keyring: Any
) -> None:
    settings = replace(settings_for(furnished_sqlite), proxy=ProxyConfig(trusted=("10.0.0.0/8",)))
    issuer = make_issuer(settings, keyring)
    async with issuer.lifespan():
        browser = issuer.browser("10.0.0.2")
        page = await browser.get("/login")
        for spoken_for in ("203.0.113.1", "198.51.100.66, 203.0.113.1"):
            await browser.post(
                "/login",
                data={**_hidden(page), "email": ADA[0], "password": "wrong one"},
                headers={"origin": browser.origin, "x-forwarded-for": spoken_for},
            )
        failed = [row for row in await events(issuer) if row["event"] == "login.failed"]
        assert {row["ip"] for row in failed} == {"203.0.113.1"}
        await browser.aclose()


async def test_another_host_is_refused_whatever_is_forwarded(issuer: LiveIssuer) -> None:
    async with Browser(issuer) as browser:
        for host in (
            "evil.example",
            "localhost:8411",
            "localhost",
            "localhost:8410.evil.example",
            "127.0.0.1:8410",
        ):
            answer = await browser.get("/login", headers={"host": host, "x-forwarded-host": "localhost:8410"})
            assert answer.status_code == 421, host
            assert "evil" not in answer.text


ODD = [
    "/x;/login", "//login", "/%6cogin", "/a/../login", "/login%2f", "/login/", "/./login", "/login/.", "/login;x=1",
    "/health//live", "/health/%6cive", "/health/live;", "/health/./live", "/x/../health/live", "/health\\live",
    "/health/live%00", "/health/live%20", "/%2e%2e/login", "/api/..;/login", "/jwks%3f", "/%2flogin",
    "/.well-known//openid-configuration", "/status/0;a", "/status/%30", "/login%0d%0aX:1",
]  # fmt: skip


@pytest.mark.threat("INF-path", off="admit.issuer.app.dispatch:path_of")
async def test_a_path_in_another_spelling_is_never_answered_as_that_path(issuer: LiveIssuer) -> None:
    """A rule of a proxy that denies `/login` must not be gone round by any of these."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=issuer.asgi), base_url=Browser.origin
    ) as client:
        for path in ODD:
            answer = await raw(issuer, path)
            assert answer in (400, 404), (path, answer)
        assert await raw(issuer, "/login") == 200
        assert (await client.get("/health/live")).status_code == 200


async def raw(issuer: LiveIssuer, path: str) -> int:
    """The status of a GET whose path reaches the application as uvicorn would hand it over."""
    from urllib.parse import unquote

    got: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            got.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "scheme": "http", "query_string": b"", "root_path": "",
        "path": unquote(path), "raw_path": path.encode(), "headers": [(b"host", b"localhost:8410")],
        "client": ("127.0.0.1", 40_000),
    }  # fmt: skip
    await issuer.asgi(scope, receive, send)
    return got[0]


@pytest.mark.threat("INF-path")
@pytest.mark.threat("INF-errors")
async def test_nothing_for_operators_is_on_the_issuer_itself(issuer: LiveIssuer, browser: Browser) -> None:
    for path in ("/metrics", "/metrics/", "/admin", "/admin/", "/debug", "/docs", "/server-status"):
        answer = await browser.get(path)
        assert answer.status_code == 404, path


@pytest.mark.threat("INF-errors", off="admit.issuer.app.probe:nonce_of")
async def test_the_doctor_s_question_is_answered_to_nobody_who_lacks_the_key_file(issuer: LiveIssuer) -> None:
    nonce, now = "n" * 32, issuer.clock()
    good = probe.question(issuer.keyring, nonce=nonce, now=now)
    stranger = issuer.browser("192.0.2.5")
    plain = await stranger.get("/health/nothing")
    for asked in ("", "x", good[:-1], probe.question(Keyring.generate(), nonce=nonce, now=now)):
        answer = await stranger.get(probe.PATH, headers={probe.HEADER: asked})
        assert (answer.status_code, set(answer.headers)) == (404, set(plain.headers))
        assert len(answer.content) == len(plain.content)
        assert probe.HEADER not in answer.headers
    for method in ("POST", "OPTIONS", "DELETE", "HEAD"):
        there, nowhere = [
            await stranger.request(method, path, headers={probe.HEADER: good})
            for path in (probe.PATH, "/health/nothing")
        ]
        assert (there.status_code, set(there.headers)) == (nowhere.status_code, set(nowhere.headers)), method
    answer = await stranger.get(probe.PATH, headers={probe.HEADER: good, **FORGERIES})
    assert probe.is_answer(issuer.keyring, nonce, answer.content, answer.headers[probe.HEADER])
    assert not probe.is_answer(issuer.keyring, "m" * 32, answer.content, answer.headers[probe.HEADER])
    told = answer.json()
    assert (told["client"], told["peer"], told["host"]) == ("192.0.2.5", "192.0.2.5", "localhost:8410")
    assert told["forwarded_for"] == ["198.51.100.7"]


@pytest.mark.threat("INF-defaults")
async def test_a_fresh_start_has_no_account_that_anybody_knows(sqlite_url: str, keyring: Keyring) -> None:
    issuer = make_issuer(settings_for(sqlite_url), keyring)
    async with issuer.lifespan():
        browser = issuer.browser()
        for email, password in (
            ("admin", "admin"),
            ("admin@localhost", "admin"),
            ("root", "root"),
            ("admin", "password"),
        ):
            page = await browser.get("/login")
            answer = await browser.submit("/login", page.text, email=email, password=password)
            assert answer.status_code == 400
            assert issuer.app.cookies.session_name not in browser.cookies
        await browser.aclose()


@pytest.mark.threat("INF-defaults", off="admit.issuer.app.settings:check_issuer")
@pytest.mark.threat("6819-4.3.1", off="admit.issuer.app.settings:check_issuer")
@pytest.mark.parametrize(
    "changes", [{"dev": False}, {"issuer": "http://id.example.com"}, {"issuer": "https://id.example.com"}]
)
def test_settings_that_are_for_development_only_are_refused_elsewhere(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(settings_for("sqlite:///nowhere.db"), **changes)
