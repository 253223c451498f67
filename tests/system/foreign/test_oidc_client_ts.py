"""oidc-client-ts in Chromium: a page without a server signs in, renews in all its ways, and signs out."""

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.fixtures.issuer import ADA
from tests.fixtures.node import HINT, PLACE
from tests.fixtures.required import missing
from tests.system.foreign.conftest import World
from tests.system.foreign.relying_parties import SCOPE, Party

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.soak
PAGES = Path(__file__).parent / "apps" / "spa"
LIBRARY = PLACE / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"


class Handler(SimpleHTTPRequestHandler):
    """The page at each address that a browser is sent to, and its two scripts."""

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.removeprefix("/")
        file = {"oidc-client-ts.min.js": LIBRARY, "page.js": PAGES / "page.js"}.get(
            name, PAGES / "index.html"
        )
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/javascript" if file.suffix == ".js" else "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """The addresses hold codes."""


class Tab:
    """A tab of the application."""

    def __init__(self, page: "Page", world: World, party: Party) -> None:
        self.page, self.world, self.party = page, world, party
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(party.home + "/")
        # Without offline_access each grant ends with the issuer's session, as a browser's should.
        scope = SCOPE.replace(" offline_access", "")
        kept = urlencode({"issuer": world.issuer, "client_id": party.id, "scope": scope})
        page.evaluate("text => localStorage.setItem('settings', text)", kept)
        self.open()

    def open(self, path: str = "/") -> str:
        self.page.goto(self.party.home + path)
        return self.said()

    def said(self) -> str:
        self.page.wait_for_function("document.querySelector('output')?.textContent")
        return self.page.inner_text("output")

    def sign_in(self, **more: str) -> str:
        """By redirect, with what the issuer's pages ask."""
        self.page.evaluate("more => { manager.signinRedirect(more) }", more)
        self.page.wait_for_url(lambda url: "/login" in url or "code=" in url or "error=" in url)
        if "/login" in self.page.url:
            self.page.get_by_label("Email").fill(ADA[0])
            self.page.get_by_label("Password", exact=True).fill(ADA[1])
            self.page.get_by_role("button", name="Sign in").click()
            if not self.party.first_party:
                self.page.get_by_role("button", name="Let it in").click()
        self.page.wait_for_url(self.party.home + "/*")
        return self.said()

    def outcome(self, call: str) -> Any:
        return self.page.evaluate(f"outcome(() => {call})")


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[None]:
    """The page, at both clients' addresses."""
    if not LIBRARY.is_file():
        missing("node packages", HINT)
    servers = [
        ThreadingHTTPServer(("127.0.0.1", party.port), Handler)
        for party in (world.parties.browser, world.parties.browser_near)
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def far(page: "Page", world: World, served: None) -> Tab:
    """On another site than the issuer."""
    return Tab(page, world, world.parties.browser)


@pytest.fixture
def near(page: "Page", world: World, served: None) -> Tab:
    """On the issuer's own site, one of the house."""
    return Tab(page, world, world.parties.browser_near)


def test_a_page_signs_in_renews_by_its_refresh_token_and_signs_out(far: Tab) -> None:
    assert far.sign_in() == f"signed in as {ADA[0]}"
    first = far.outcome("manager.getUser()")
    renewed = far.outcome("manager.signinSilent()")
    assert renewed["sub"] == first["sub"]
    assert renewed["access_token"] != first["access_token"]
    assert renewed["refresh_token"] != first["refresh_token"], "a public client's rotates"
    far.page.evaluate("() => { manager.signoutRedirect() }")
    far.page.wait_for_url(far.party.bye + "**")
    assert far.said() == "signed out"
    assert far.open() == "nobody"
    assert far.sign_in(prompt="none") == "refused: login_required"
    assert far.complaints == []


def test_a_page_whose_refresh_token_was_revoked_is_refused(far: Tab) -> None:
    far.sign_in()
    far.page.evaluate("async () => { window.kept = await manager.getUser() }")
    far.page.evaluate("manager.revokeTokens(['refresh_token'])")
    far.page.evaluate("manager.storeUser(kept)")
    assert far.outcome("manager.signinSilent()") == {"refused": "invalid_grant"}


def test_a_page_takes_no_answer_that_it_did_not_ask_for(far: Tab) -> None:
    assert far.open("/?code=made-up&state=made-up").startswith("refused: No matching state")


def test_a_page_renews_by_a_redirect_without_a_page_where_somebody_is_signed_in(near: Tab) -> None:
    near.sign_in()
    first = near.outcome("manager.getUser()")
    assert near.sign_in(prompt="none") == f"signed in as {ADA[0]}"
    renewed = near.outcome("manager.getUser()")
    assert renewed["sub"] == first["sub"]
    assert renewed["access_token"] != first["access_token"]


def test_a_hidden_frame_gets_no_answer_of_the_issuer_even_on_its_own_site(near: Tab) -> None:
    """No reply may be framed, redirects included: pages renew by refresh token, or by a redirect of their own."""
    near.sign_in()
    near.page.evaluate(
        "async () => { const user = await manager.getUser(); user.refresh_token = undefined;"
        " await manager.storeUser(user) }"
    )
    refused = near.outcome("manager.signinSilent({ silentRequestTimeoutInSeconds: 2 })")
    assert refused == {"refused": "IFrame timed out without a response"}
