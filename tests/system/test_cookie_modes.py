"""SES-2, SES-3, WEB-csrf, WEB-xsleak: both cookie modes in a real browser, on names over TLS.

`login.example.test` keeps its session cookie to itself (`same_host`), `id.example.test` shares it with all of
`example.test` (`cookie_domain`). `app.example.test` is an application that belongs to them, `evil.example.test` a host
beside it that somebody else runs, `other.test` another site.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Host

from admit.credentials.cookies import encode_session_id
from admit.integrations.fastapi import Guard
from admit.issuer import Client, Issuer, Resource, Settings
from admit.issuer.audit import RequestInfo
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.storage import Keyring
from admit.principal import Principal
from tests.fixtures.browser import ARGUMENTS, HINT, find_chromium
from tests.fixtures.certificates import certificate
from tests.fixtures.required import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ADA: Final = ("ada@example.com", "correct horse battery")
BO: Final = ("bo@example.com", "staple of the station")
HOSTS: Final = (
    "login.example.test",
    "id.example.test",
    "app.example.test",
    "evil.example.test",
    "other.test",
)


@dataclass
class World:
    """All hosts on one port, and what reached those that are not ours."""

    port: int
    folder: Path
    same_host: Issuer = field(init=False)
    shared: Issuer = field(init=False)
    seen: list[tuple[str, str, list[str]]] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(init=False)

    def __post_init__(self) -> None:
        self.same_host = self._issuer("login.example.test", None)
        self.shared = self._issuer("id.example.test", "example.test")

    def minted(self, issuer: Issuer, email: str) -> str:
        """The cookie's value of a session that began somewhere else."""

        async def begin() -> bytes:
            user = await issuer.services.accounts.find(email)
            assert user is not None
            new = await issuer.services.sessions.start(
                user, auth_time=float(int(time.time())), acr="urn:admit:acr:1fa", amr=("pwd",), info=RequestInfo(),
                now=time.time(), familiar=True,
            )  # fmt: skip
            return new.raw

        return encode_session_id(asyncio.run_coroutine_threadsafe(begin(), self.loop).result(10))

    def at(self, host: str, path: str = "") -> str:
        return f"https://{host}:{self.port}{path}"

    def _issuer(self, host: str, cookie_domain: str | None) -> Issuer:
        app = self.at("app.example.test")
        settings = Settings(
            issuer=self.at(host),
            database=f"sqlite:///{self.folder / host}.db",
            data=str(self.folder),
            sessions=SessionConfig(cookie_domain=cookie_domain),
            resource=(
                Resource(
                    id=app, name="Orders", scopes={"orders:own": "Yours"}, roles={"*": frozenset({"orders:own"})}
                ),
            ),
            client=(
                Client(
                    id="app", name="Orders", first_party=True, redirect_uris=(f"{app}/cb",),
                    scopes=frozenset({"openid", "orders:own"}), resources=frozenset({app}), default_resource=app,
                ),
            ),
        )  # fmt: skip
        return Issuer(settings, keyring=Keyring.ensure(self.folder / f"{host}.json"))

    async def echo(self, request: Request) -> Response:
        """Notes which cookies came along; sets those that the query says."""
        self.seen.append((request.url.hostname or "", request.method, sorted(request.cookies)))
        response = HTMLResponse("<!doctype html><title>here</title><p>here")
        for value in request.query_params.getlist("set"):
            response.headers.append("set-cookie", value)
        return response

    @property
    def application(self) -> Starlette:
        api, app = FastAPI(), self.at("app.example.test")
        guards = {
            "same_host": Guard(self.same_host.verifier, sessions=self.same_host.sessions, audience=app),
            "shared": Guard(
                self.shared.verifier, sessions=self.shared.sessions, audience=app, cookie_mode="cookie_domain",
                origins={app},
            ),
        }  # fmt: skip
        for name, guard in guards.items():

            @api.api_route(f"/{name}", methods=["GET", "POST"])
            async def orders(who: Annotated[Principal, guard("orders:own")]) -> dict[str, Any]:
                return {"email": who.claims["email"]}

        api.add_route("/echo", self.echo, methods=["GET", "POST"])
        beside = Starlette()
        beside.add_route("/echo", self.echo, methods=["GET", "POST"])

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            self.loop = asyncio.get_running_loop()
            async with self.same_host.lifespan(), self.shared.lifespan():
                for issuer in (self.same_host, self.shared):
                    for email, password in (ADA, BO):
                        await issuer.services.accounts.add(
                            email=email,
                            name=email[:3],
                            password=password,
                            info=RequestInfo(),
                            now=time.time(),
                        )
                yield

        apps = (self.same_host.asgi, self.shared.asgi, api, beside, beside)
        routes = [Host(host, app) for host, app in zip(HOSTS, apps, strict=True)]
        return Starlette(routes=routes, lifespan=lifespan)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("names")
    held = certificate(folder, *HOSTS)
    listening = socket.create_server(("127.0.0.1", 0))
    made = World(listening.getsockname()[1], folder)
    config = uvicorn.Config(
        made.application,
        ssl_certfile=str(held.cert),
        ssl_keyfile=str(held.key),
        log_level="warning",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    yield made
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture(scope="module")
def named_chromium(world: World) -> Iterator["Browser"]:
    """A browser that knows these names and trusts this very key: a secure context, as on the open web."""
    program = find_chromium()
    if program is None:
        missing("Chromium", HINT)
    from playwright.sync_api import sync_playwright

    leaf = x509.load_pem_x509_certificate((world.folder / "server.pem").read_bytes())
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    arguments = [one for one in ARGUMENTS if not one.startswith("--host-resolver-rules")] + [
        "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={pin}",
        *(["--no-sandbox"] if os.getuid() == 0 else []),
    ]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=arguments)
        yield launched
        launched.close()


def sign_in(page: "Page", world: World, host: str, who: tuple[str, str] = ADA) -> None:
    page.goto(world.at(host, "/login"))
    page.locator("#email").fill(who[0])
    page.locator("#password").fill(who[1])
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/account*")


@pytest.fixture(scope="module")
def people(named_chromium: "Browser", world: World) -> Iterator["BrowserContext"]:
    """Ada's browser, signed in to both issuers."""
    context = named_chromium.new_context(locale="en-GB")
    page = context.new_page()
    for host in HOSTS[:2]:
        sign_in(page, world, host)
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(people: "BrowserContext") -> Iterator["Page"]:
    opened = people.new_page()
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


def name_of(issuer: Issuer) -> str:
    return issuer.app.cookies.session_name


def let_in(people: "BrowserContext", world: World) -> None:
    """Ada is signed in again where the session is shared: the next test finds her so."""
    value = world.minted(world.shared, ADA[0])
    people.add_cookies(
        [
            {
                "name": name_of(world.shared), "value": value, "domain": ".example.test", "path": "/",
                "secure": True, "httpOnly": True, "sameSite": "Lax",
            }
        ]
    )  # fmt: skip


def who_is_in(page: "Page", world: World, host: str) -> str:
    """Whose account the issuer shows in this browser; "" for nobody's."""
    page.goto(world.at(host, "/account"))
    text = page.inner_text("main")
    return next((email for email, _ in (ADA, BO) if email in text and "/account" in page.url), "")


def last_seen(world: World, host: str) -> list[str]:
    """The cookies that the last request to a host brought."""
    return next(names for where, _, names in reversed(world.seen) if where == host)


def test_each_mode_shares_the_session_with_the_hosts_that_it_says_and_no_other(
    page: "Page", people: "BrowserContext", world: World
) -> None:
    kept, shared = name_of(world.same_host), name_of(world.shared)
    assert kept.startswith("__Host-admit-")
    assert shared.startswith("__Secure-admit-")
    held = {cookie["name"]: cookie for cookie in people.cookies()}
    assert (held[kept]["domain"], held[shared]["domain"]) == ("login.example.test", ".example.test")
    for name in (kept, shared):
        assert (held[name]["secure"], held[name]["httpOnly"], held[name]["sameSite"]) == (True, True, "Lax")
    others = [cookie for name, cookie in held.items() if name not in (kept, shared)]
    assert all(cookie["name"].startswith("__Host-") for cookie in others), "only the session's is shared"
    for host, brought in (
        ("app.example.test", [shared]),
        ("evil.example.test", [shared]),
        ("other.test", []),
    ):
        page.goto(world.at(host, "/echo"))
        assert last_seen(world, host) == brought, host
        assert page.evaluate("document.cookie") == "", "no script reads it"
    page.goto(world.at("app.example.test", "/echo"))
    status = "path => fetch(path).then(answer => answer.status)"
    assert page.evaluate(status, "/shared") == 200
    assert page.evaluate(status, "/same_host") == 401, "ports and siblings share nothing there"


def test_an_application_on_another_host_acts_by_the_shared_session_with_the_token_alone(
    page: "Page", world: World
) -> None:
    page.goto(world.at("app.example.test", "/echo"))
    token = page.evaluate(
        "url => fetch(url, {credentials: 'include'}).then(answer => answer.json()).then(told => told.csrf_token)",
        world.at("id.example.test", "/api/session"),
    )
    post = "headers => fetch('/shared', {method: 'POST', headers}).then(answer => answer.status)"
    assert page.evaluate(post, {"x-csrf-token": token}) == 200
    assert page.evaluate(post, {}) == 403
    page.goto(world.at("evil.example.test", "/echo"))
    read = "url => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'kept')"
    assert page.evaluate(read, world.at("id.example.test", "/api/session")) == "kept", (
        "not a registered origin"
    )


POST_FORM: Final = """([url, fields]) => {
  const form = document.createElement('form');
  form.method = 'post'; form.action = url;
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input');
    input.name = name; input.value = value; form.append(input);
  }
  document.body.append(form); form.submit();
}"""


@pytest.mark.threat("SES-2")
def test_the_post_of_another_site_brings_neither_cookie(page: "Page", world: World) -> None:
    shared = name_of(world.shared)
    for host, brought in (("other.test", []), ("evil.example.test", [shared])):
        page.goto(world.at(host, "/echo"))
        world.seen.clear()
        with page.expect_navigation(url="**/echo"):
            page.evaluate(POST_FORM, [world.at("app.example.test", "/echo"), {"x": "y"}])
        assert world.seen == [("app.example.test", "POST", brought)], host
        page.goto(world.at(host, "/echo"))
        world.seen.clear()
        page.evaluate(
            "url => fetch(url, {mode: 'no-cors', credentials: 'include'}).catch(() => null)",
            world.at("app.example.test", "/echo"),
        )
        assert world.seen == [("app.example.test", "GET", brought)], host


@pytest.mark.threat(
    "WEB-csrf", off=["admit.credentials.csrf:check_token", "admit.credentials.csrf:check_origin"]
)
def test_a_host_beside_that_posts_with_the_cookie_changes_nothing(page: "Page", world: World) -> None:
    for host, from_ in (("id.example.test", "evil.example.test"), ("login.example.test", "other.test")):
        page.goto(world.at(from_, "/echo"))
        with page.expect_navigation(url="**/account**"):
            page.evaluate(POST_FORM, [world.at(host, "/account"), {"do": "end_others", "csrf": "x"}])
        assert "sessions are ended" not in page.inner_text("main"), host
        assert who_is_in(page, world, host) == ADA[0], host


@pytest.mark.threat("SES-3", off="admit.credentials.cookies:only")
def test_what_a_host_beside_can_plant_and_what_comes_of_it(
    page: "Page", people: "BrowserContext", world: World
) -> None:
    kept, shared = name_of(world.same_host), name_of(world.shared)
    theirs = {name_of(one): world.minted(one, BO[0]) for one in (world.same_host, world.shared)}
    beside = world.at("evil.example.test", "/echo")

    def toss(*cookies: str) -> None:
        page.goto(
            f"{beside}?set=" + "&set=".join(one.replace(";", "%3B").replace(" ", "%20") for one in cookies)
        )

    # Its own host only: the browser refuses the name with a domain, and without one it never leaves that host.
    toss(
        f"{kept}={theirs[kept]}; Secure; Path=/; Domain=example.test",
        f"{kept}={theirs[kept]}; Secure; Path=/",
    )
    page.evaluate(f"document.cookie = '\\u2000{kept}={theirs[kept]}; Secure; Path=/; Domain=example.test'")
    assert who_is_in(page, world, "login.example.test") == ADA[0]

    # Beside the shared one, under a longer path: two of a name are nobody's session, least of all the planted one, and
    # the page is given back to who it belongs to.
    toss(f"{shared}={theirs[shared]}; Secure; Path=/account; Domain=example.test")
    brought = people.cookies(world.at("id.example.test", "/account"))
    assert [cookie["name"] for cookie in brought].count(shared) == 2
    landed = page.goto(world.at("id.example.test", "/account"))
    assert landed is not None
    assert landed.request.redirected_from is not None, "it was taken for nobody's"
    assert who_is_in(page, world, "id.example.test") == ADA[0]
    brought = people.cookies(world.at("id.example.test", "/account"))
    assert [cookie["name"] for cookie in brought].count(shared) == 1

    # In its very place: this is what makes `cookie_domain` the weaker of the two.
    toss(f"{shared}={theirs[shared]}; Secure; HttpOnly; Path=/; Domain=example.test")
    assert who_is_in(page, world, "id.example.test") == BO[0]
    people.clear_cookies(name=shared)
    assert who_is_in(page, world, "login.example.test") == ADA[0], "and the other is untouched"
    let_in(people, world)


PROBE: Final = """async url => {
  const loads = tag => new Promise(done => {
    const element = document.createElement(tag);
    element.onload = () => done('load'); element.onerror = () => done('error');
    element.src = url; document.body.append(element); setTimeout(() => done('nothing'), 1500);
  });
  const frame = document.createElement('iframe');
  const framed = new Promise(done => { frame.onload = () => done('load'); setTimeout(() => done('nothing'), 1500); });
  frame.src = url; document.body.append(frame);
  const fetched = mode => fetch(url, {mode, credentials: 'include'}).then(a => a.type + a.status, () => 'error');
  return JSON.stringify([
    await loads('img'), await loads('script'), await framed, frame.contentWindow.length,
    await fetched('no-cors'), await fetched('cors'),
  ]);
}"""
HELD: Final = """async url => {
  const opened = window.open(url);
  for (let n = 0; n < 100 && !opened.closed; n++) await new Promise(done => setTimeout(done, 20));
  return JSON.stringify([opened.closed, opened.length]);
}"""


@pytest.mark.soak  # the same is held over HTTP in tests/threats/test_routes_http.py
@pytest.mark.threat("WEB-xsleak", off="admit.issuer.app.headers:isolation")
def test_no_other_page_finds_out_whether_somebody_is_signed_in(
    page: "Page", named_chromium: "Browser", world: World
) -> None:
    stranger = named_chromium.new_context()
    unknown = stranger.new_page()
    asked = (
        f"/authorize?prompt=none&response_type=code&client_id=app&scope=openid&code_challenge={'A' * 43}"
        f"&code_challenge_method=S256&redirect_uri={world.at('app.example.test', '/cb')}"
    )
    for host in HOSTS[:2]:
        for from_ in ("other.test", "evil.example.test"):
            for path in ("/account", asked):
                told = []
                for who in (page, unknown):
                    who.goto(world.at(from_, "/echo"))
                    told.append(json.loads(who.evaluate(PROBE, world.at(host, path))))
                assert told[0] == told[1], (from_, path)
        held = []
        for who in (page, unknown):
            who.goto(world.at("other.test", "/echo"))
            held.append(json.loads(who.evaluate(HELD, world.at(host, "/account"))))
        assert held[0] == held[1] == [True, 0], "an opener loses the window, whoever it shows"
    stranger.close()


def test_leaving_takes_the_shared_cookie_from_all_hosts(
    page: "Page", people: "BrowserContext", world: World
) -> None:
    page.goto(world.at("id.example.test", "/account"))
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="You are signed out").wait_for()
    assert name_of(world.shared) not in {cookie["name"] for cookie in people.cookies()}
    page.goto(world.at("app.example.test", "/echo"))
    assert page.evaluate("fetch('/shared').then(answer => answer.status)") == 401
    assert who_is_in(page, world, "login.example.test") == ADA[0]
    let_in(people, world)
