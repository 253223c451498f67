"""FastAPI's docs page in Chromium: people sign in at the demo's issuer, and the page calls the API with what it got."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fixtures.demo import BO, PICTURES, Demo
from tests.plugins.patience import patience

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.soak


class DocsPage:
    """The page as a person uses it. `asked` has every request that it and its windows made."""

    def __init__(self, page: "Page", demo: Demo) -> None:
        self.page, self.demo = page, demo
        self.asked: list[str] = []
        page.set_default_timeout(patience() * 1000)
        page.context.on("request", lambda request: self.asked.append(request.url))
        page.goto(f"{demo.api}/docs")

    def authorize(self, *unticked: str) -> dict[str, list[str]]:
        """Authorize, sign in as Bo, say yes; the authorization request. Some scopes may be left unticked."""
        page = self.page
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".dialog-ux")
        dialog.get_by_text("authorizationCode with PKCE").first.wait_for()
        for scope in unticked:
            dialog.get_by_text(scope, exact=True).click()
        page.screenshot(path=PICTURES / f"docs-authorize-{len(unticked)}.png")
        with page.expect_popup() as opened:
            dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
        there = opened.value
        there.locator("#email").wait_for()
        asked = next(url for url in self.asked if url.startswith(f"{self.demo.issuer}/authorize?"))
        there.locator("#email").fill(BO)
        there.locator("#password").fill(self.demo.secrets[BO])
        there.locator("button[type=submit]").click()
        there.get_by_role("button", name="Let it in").wait_for()
        there.screenshot(path=PICTURES / f"docs-consent-{len(unticked)}.png", full_page=True)
        with there.expect_event("close"):
            there.get_by_role("button", name="Let it in").click()
        dialog.get_by_text("Logout", exact=True).wait_for()
        page.screenshot(path=PICTURES / "docs-authorized.png")
        dialog.get_by_text("Close", exact=True).first.click()
        return parse_qs(urlsplit(asked).query)

    def try_out(self, path: str) -> tuple[int, str]:
        """Try it out, Execute: the status, and the body as the page shows them."""
        operation = self.page.locator(".opblock-get").filter(has=self.page.locator(f'[data-path="{path}"]'))
        operation.locator(".opblock-summary-control").first.click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        live = operation.locator(".live-responses-table .response").first
        live.wait_for()
        return int(live.locator(".response-col_status").inner_text().split()[0]), live.inner_text()


def test_a_person_authorizes_the_docs_page_and_sees_their_own_orders(page: "Page", demo: Demo) -> None:
    docs = DocsPage(page, demo)
    asked = docs.authorize()
    assert asked["resource"] == [demo.api]
    assert asked["code_challenge_method"] == ["S256"]
    assert set(asked["scope"][0].split()) == {"orders:own", "orders:read"}
    status, shown = docs.try_out("/api/orders/mine")
    assert status == 200
    assert "Two tickets, row F" in shown
    page.screenshot(path=PICTURES / "docs-orders.png", full_page=True)
    status, shown = docs.try_out("/api/orders")
    assert status == 403, "Bo is no admin"
    hosts = {urlsplit(url).netloc for url in docs.asked if urlsplit(url).scheme == "http"}
    assert hosts == {urlsplit(demo.api).netloc, urlsplit(demo.issuer).netloc}, "and no CDN"


def test_without_the_scope_the_docs_page_is_told_what_it_lacks(page: "Page", demo: Demo) -> None:
    docs = DocsPage(page, demo)
    asked = docs.authorize("orders:own")
    assert asked["scope"] == ["orders:read"]
    status, shown = docs.try_out("/api/orders/mine")
    assert status == 403
    assert "insufficient_scope" in shown
    assert 'scope="orders:own"' in shown
    page.screenshot(path=PICTURES / "docs-refused.png", full_page=True)


def test_without_authorizing_the_docs_page_is_told_that_a_token_is_wanted(page: "Page", demo: Demo) -> None:
    status, shown = DocsPage(page, demo).try_out("/api/orders/mine")
    assert status == 401
    assert "www-authenticate" in shown
