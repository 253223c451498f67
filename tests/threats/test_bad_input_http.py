"""Bad input to every route: a 4xx with a stable code, no trace of a fault, nothing stored, nowhere to go."""

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admit.issuer.storage import Keyring
from tests.fixtures.issuer import (
    ADA,
    API,
    API_SECRET,
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
from tests.plugins.rounds import TIER
from tests.threats.whole import everything

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}
CODES = {
    "invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "invalid_target", "invalid_token",
    "unsupported_grant_type", "unauthorized_client", "invalid_session", "csrf_failed", "not_found",
    "method_not_allowed", "misdirected_request", "session_not_found", "unauthorized", "slow_down",
    "insufficient_scope",
}  # fmt: skip
TRACES = ("Traceback", "Error:", "Exception", "sqlite", "SELECT ", "INSERT ", ".py", "line ")
TARGETS = (*(uri for client in CLIENTS for uri in client.redirect_uris), "http://127.0.0.1:5123/cb")


def check(response: httpx2.Response) -> None:
    """What every answer to nonsense is like."""
    where = f"{response.request.method} {response.request.url} → {response.status_code}"
    assert response.status_code < 500, where
    location = response.headers.get("location")
    if location is not None:
        ours = location.startswith("/") and not location.startswith(("//", "/\\"))
        assert ours or location.partition("?")[0] in TARGETS, where
        assert not {"\r", "\n"} & set(location)
    assert not any(trace in response.text for trace in TRACES), where
    kind = response.headers.get("content-type", "")
    if response.status_code >= 400 and kind.startswith("application/json") and response.content:
        assert response.json()["error"] in CODES, where
        assert set(response.json()) <= {"error", "error_description"}, where


@dataclass(frozen=True)
class Bad:
    """One request that nobody should send."""

    method: str
    path: str
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    auth: tuple[str, str] | None = None

    async def send(self, browser: Browser) -> httpx2.Response:
        return await browser.request(
            self.method,
            ISSUER + self.path,
            content=self.content,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in self.headers],
            auth=self.auth,
        )


def a_form(path: str, body: bytes | str, **headers: str) -> Bad:
    content = body.encode() if isinstance(body, str) else body
    return Bad("POST", path, content, (*FORM.items(), *headers.items()))


def as_json(path: str, body: bytes, auth: tuple[str, str] | None = None) -> Bad:
    return Bad("POST", path, body, (("content-type", "application/json"),), auth)


POSTS = (
    "/token",
    "/par",
    "/revoke",
    "/introspect",
    "/login",
    "/signup",
    "/consent",
    "/account",
    "/logout",
    "/authorize",
    "/userinfo",
)
RESOURCE = (quote(API, safe=""), API_SECRET)
DEEP = b'{"id_hash":' + b"[" * 60_000 + b"]" * 60_000 + b"}"


def bad_requests() -> Iterable[Bad]:
    """Wrong types, missing and doubled fields, large and deep bodies, other content types, octets that say nothing."""
    for path in POSTS:
        for body in (
            b"", b"=", b"&&&", b"a" * 1_000_000, b"a=" + b"x" * 9_000, b"&".join([b"a=b"] * 200), b"\xff\xfe\x00",
            b"csrf=%ff%fe", b"email=%00&csrf=%00&i=%00", b"grant_type=authorization_code&grant_type=refresh_token",
            b"client_id=spa&client_id=web", b"csrf=a&csrf=b&i=x&i=y", b"i[]=1&email[a]=1", b"a;b=c",
            b"email=" + b"%F0%9F%98%80" * 500 + b"&password=p&csrf=x",
        ):  # fmt: skip
            yield a_form(path, body)
        for kind in (
            "application/json",
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/xml",
            "",
        ):
            yield Bad("POST", path, b'{"grant_type":"refresh_token"}', (("content-type", kind),))
        yield a_form(path, "a=b", **{"content-length": "-1"})
        yield a_form(path, "a=b", **{"content-length": "9" * 30})
    for body in (
        b"", b"null", b"[]", b"1", b'"x"', b"{}", DEEP, b"[" * 1_000_000, b'{"id_hash":1}', b'{"id_hash":null}',
        b'{"id_hash":["a"]}', b'{"id_hash":{"a":1}}', b'{"id_hash":"!"}', b'{"id_hash":"' + b"A" * 900 + b'"}',
        b'{"id_hash":"a","id_hash":"b"}', b'{"id_hash":"\\ud800"}', b"\xff\xfe", b'{"id_hash":NaN}',
        b'{"id_hash":1e999}',
        b'{"id_hash":"' + b"A" * 43 + b'","more":1}',
    ):  # fmt: skip
        yield as_json("/session/lookup", body, RESOURCE)
        yield as_json("/token", body)
    good = {**request_of("spa"), "code_challenge": pkce()[1]}
    for name in good:
        yield Bad(
            "GET", "/authorize?" + urlencode({key: value for key, value in good.items() if key != name})
        )
        yield Bad("GET", "/authorize?" + urlencode([*good.items(), (name, "x")]))
        for value in ("\x00", "\r\nset-cookie: a=b", "x" * 9_000, "\ud7ff\u202e", "%", "[]", "{}", "-1", " "):
            yield Bad("GET", "/authorize?" + urlencode({**good, name: value, "prompt": "none"}))
    for name, values in {
        "prompt": ("none login", "x", "none none"), "max_age": ("-1", "1e9", "x", "٣", "9" * 40),
        "resource": ("x", "//"),
        "response_mode": ("fragment", "form_post"), "request": ("e30.e30.",), "request_uri": ("http://127.0.0.1:1/x",),
        "scope": ("admin", " openid", "openid  profile"), "id_token_hint": ("x",), "nonce": ("n" * 600,),
    }.items():  # fmt: skip
        for value in values:
            yield Bad("GET", "/authorize?" + urlencode({**good, name: value}))
    for query in (
        "", "nonce=", "nonce=x", "nonce=a&nonce=b", "nonce=" + "n" * 65, "nonce=%ff", "nonce=" + quote("é" * 20), "%",
        "i=%ff", "i=x&i=y", "ui_locales=%00", "ui_locales=" + "x" * 9_000, "done=x&done=y", "a=" * 300,
        "post_logout_redirect_uri=//e",
    ):  # fmt: skip
        for path in (
            "/status/head",
            "/login",
            "/signup",
            "/consent",
            "/account",
            "/logout",
            "/authorize",
            "/",
        ):
            yield Bad("GET", f"{path}?{query}")
    for path in (
        "/status/-1",
        "/status/1e3",
        "/status/9999999999999",
        "/status/x",
        "/status/0/",
        "/status/%30",
        "/..",
        "/a;b",
    ):
        yield Bad("GET", path)
    for value in (
        "Bearer", "Bearer ", "Bearer  x", "Bearer\tx", "Bearer x y", "Bearer " + "x" * 20_000, "Basic", "Basic !",
        "Basic Og==", "Basic " + "A" * 9_000, "Digest x", "é",
    ):  # fmt: skip
        for path in ("/userinfo", "/token", "/revoke", "/session/lookup"):
            method = "GET" if path == "/userinfo" else "POST"
            yield Bad(method, path, b"a=b", (*FORM.items(), ("authorization", value)))
    for path in ("/login", "/token", "/account", "/jwks"):
        for host in ("evil.example", "localhost", "localhost:8411", "", "localhost:8410.evil.example"):
            yield Bad("GET", path, headers=(("host", host),))
        for origin in ("https://evil.example", "null", "", "http://localhost:8410.evil.example"):
            yield a_form(path, urlencode({"email": ADA[0], "password": ADA[1], "csrf": "x"}), origin=origin)


def visitors(browser: Browser, stranger: Browser, sent: int) -> tuple[Browser, ...]:
    """Who sends the next one: both in the soak, else now the one who is signed in, now the other."""
    return (browser, stranger) if TIER == "soak" else ((browser, stranger)[sent % 2],)


async def test_bad_input_is_refused_with_a_code_and_nothing_is_stored(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    stranger = issuer.browser()
    await stranger.get("/login")
    before = await everything(issuer)
    sent = 0
    for bad in bad_requests():
        if bad.method == "GET" and bad.path.startswith(("/authorize", "/logout")):
            continue  # below: a good part of these begins something
        for visitor in visitors(browser, stranger, sent):
            check(await bad.send(visitor))
            sent += 1
    after = await everything(issuer)
    assert sent > 250
    assert {name for name in before if before[name] != after[name]} == set(), "nothing was stored"
    assert (await browser.get("/account")).status_code == 200, "and nothing was ended"


async def test_no_bad_authorization_request_makes_a_code_or_leaves_our_hands(
    issuer: LiveIssuer, browser: Browser
) -> None:
    await browser.sign_in()
    stranger = issuer.browser()
    before = await everything(issuer)
    refused = sent = 0
    for bad in bad_requests():
        if bad.method == "GET" and bad.path.startswith(("/authorize", "/logout")):
            for visitor in visitors(browser, stranger, sent):
                sent += 1
                response = await bad.send(visitor)
                check(response)
                refused += response.status_code >= 400 or "error=" in response.headers.get("location", "")
    after = await everything(issuer)
    for table in ("grant_family", "node", "session", "status_change", "user_account"):
        assert after[table] == before[table], table
    assert refused > 75


@pytest.mark.parametrize(
    "name",
    ["", " ", "\x00", "a\x00b", "a\nb", "a\x1b[31m", "\u202eevil", "a\u2028b", "x" * 201, "\ud7fc\ufff0"],
)
async def test_a_name_with_characters_that_nobody_sees_makes_no_account(
    issuer: LiveIssuer, browser: Browser, name: str
) -> None:
    page = await browser.get("/signup")
    before = await everything(issuer)
    refused = await browser.submit(
        "/signup", page.text, name=name, email="eve@example.com", password="long enough for it"
    )
    assert refused.status_code == 400
    after = await everything(issuer)
    after.pop("throttle"), before.pop("throttle")
    assert after == before


@pytest.mark.parametrize(
    ("email", "password"),
    [("no address", "long enough for it"), ("a@b", "long enough for it"), ("eve@exa mple.com", "long enough for it"),
     ("eve@example.com", "short"), ("eve@example.com", "x" * 1_100), ("еve@example.com", "long enough for it"),
     ("x" * 300 + "@example.com", "long enough for it"), ("eve@example.com", "")],
)  # fmt: skip
async def test_what_is_no_email_or_password_makes_no_account(
    issuer: LiveIssuer, browser: Browser, email: str, password: str
) -> None:
    page = await browser.get("/signup")
    before = await everything(issuer)
    refused = await browser.submit("/signup", page.text, name="Eve", email=email, password=password)
    assert refused.status_code == 400
    after = await everything(issuer)
    after.pop("throttle"), before.pop("throttle")
    assert after == before


# Any nonsense at all

TEXT = st.text(max_size=40) | st.sampled_from(
    ["spa", "web", "native", "admit", f"{SPA}/cb", "https://evil.example/cb", "//evil.example", "code", "S256", "none",
     "openid", "authorization_code", "refresh_token", "\x00", "\r\nx: y", "%", "A" * 43, ADA[0], API, "allow",
     "sign_out"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
     "prompt", "max_age", "resource", "grant_type", "code", "code_verifier", "refresh_token", "client_secret", "token",
     "csrf", "i", "email", "password", "name", "decision", "do", "session", "ui_locales", "id_token_hint",
     "post_logout_redirect_uri", "access_token", "done", "request", "request_uri"]
) | st.text(max_size=8)  # fmt: skip
PAIRS = st.lists(st.tuples(NAMES, TEXT), max_size=8)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["authorization", "cookie", "content-type", "origin", "host", "accept-language", "sec-fetch-site",
             "user-agent",
             "content-length", "x-forwarded-host", "x-csrf-token", "if-none-match", "access-control-request-method"]
        ),
        st.binary(max_size=30) | st.sampled_from(
            [b"Bearer x", b"Basic eDp5", b"application/json", b"https://evil.example", b"null", b"admit-dev-x=1", b"*"]
        ),
    ),
    max_size=4,
)  # fmt: skip
BODIES = (
    st.binary(max_size=200)
    | PAIRS.map(lambda pairs: urlencode(pairs, errors="surrogatepass").encode())
    | st.recursive(
        st.none() | st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3)
    ).map(lambda value: json.dumps({"id_hash": value}).encode())
)
EXAMPLES = {"quick": 40, "test": 75, "soak": 20_000}[TIER]


@given(
    n=st.integers(0, 10**6),
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "OPTIONS"]),
    query=PAIRS,
    body=BODIES,
    headers=HEADERS,
    form=st.booleans(),
    signed_in=st.booleans(),
)
@settings(max_examples=EXAMPLES)
def _send_nonsense(
    n: int,
    method: str,
    query: list[tuple[str, str]],
    body: bytes,
    headers: list[tuple[str, bytes]],
    form: bool,
    signed_in: bool,
) -> None:
    issuer, loop, visitors = _UNDER_TEST[0]
    route = issuer.routes[n % len(issuer.routes)]
    sent: list[tuple[bytes, bytes]] = [(name.encode(), value) for name, value in headers]
    if form and not any(name == b"content-type" for name, _ in sent):
        sent.append((b"content-type", b"application/x-www-form-urlencoded"))
    response = asyncio.run_coroutine_threadsafe(
        call(visitors[signed_in], method, route.path.replace("*", "0"), query, body, sent), loop
    ).result(20)
    check(response)


_UNDER_TEST: list[tuple[LiveIssuer, asyncio.AbstractEventLoop, dict[bool, Browser]]] = []


async def call(
    browser: Browser,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    body: bytes,
    headers: list[tuple[bytes, bytes]],
) -> httpx2.Response:
    url = f"{ISSUER}{path}?{urlencode(query, errors='surrogatepass')}"
    return await browser.request(method, url, content=body, headers=headers)


async def test_no_nonsense_at_any_route_is_a_fault_or_leads_elsewhere(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    issuer = make_issuer(settings_for(furnished_sqlite), keyring)
    async with issuer.lifespan():
        browser = issuer.browser()
        await browser.sign_in()
        _UNDER_TEST[:] = [(issuer, asyncio.get_running_loop(), {True: browser, False: issuer.browser()})]
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, _send_nonsense)
        for one in issuer.open_browsers:
            await one.aclose()
