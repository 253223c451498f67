"""The sample app as a person uses it, in Chromium: what the tests of the demo press and read."""

import json
import re
from typing import TYPE_CHECKING, Any

from tests.fixtures.demo import PICTURES, Demo

if TYPE_CHECKING:
    from playwright.sync_api import Page

SEEN_GOOD = "let in just before the log-out, refused "
"""How a line of the watch begins: the same token, at the same address, a moment before."""
SIGN_IN = re.compile(r"/login(\?|$)")


class SampleApp:
    """One page of one person. `asked` has every request it made, `answers` what the token endpoint said."""

    def __init__(self, page: "Page", demo: Demo) -> None:
        self.page, self.demo = page, demo
        self.asked: list[str] = []
        self.replies: list[Any] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        page.on("response", self._keep)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Policy" in said.text else None)

    def _keep(self, response: Any) -> None:
        if response.url == f"{self.demo.issuer}/token" and response.request.method == "POST":
            self.replies.append(response)

    def answers(self) -> list[dict[str, Any]]:
        """What the token endpoint said, in order. Not for pages before a reload: the browser lets those go."""
        return [response.json() for response in self.replies]

    def open(self) -> None:
        self.page.goto(self.demo.spa)

    def sign_in(self, email: str, password: str | None = None) -> None:
        """From the sample app to the issuer's page and back."""
        self.open()
        self.page.get_by_role("button", name="Sign in").click()
        self.fill(email, password)
        self.at_desk()

    def fill(self, email: str, password: str | None = None) -> None:
        """The issuer's sign-in page."""
        self.page.wait_for_url(SIGN_IN)
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password or self.demo.secrets[email])
        self.page.get_by_role("button", name="Sign in").click()

    def sign_up(self, name: str, email: str, password: str) -> None:
        """A new account, from the sample app."""
        self.open()
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("link", name="Make an account").click()
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Make account").click()
        self.at_desk()

    def at_desk(self) -> None:
        """Until the page of somebody who is signed in is there."""
        self.page.wait_for_url(re.compile(rf"^{self.demo.spa}/$"))
        self.page.get_by_role("button", name="My orders").wait_for()

    def choose(self, mode: str) -> None:
        """Carry by `session` or by `token`."""
        self.page.locator(f"input[name=mode][value={mode}]").check(force=True)

    def press(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """A button that asks both addresses of the API; what the two cards then say, issuer's host first."""
        before = self.page.locator("article.answer").element_handles()
        self.page.get_by_role("button", name=name, exact=True).click()
        if before:
            before[0].wait_for_element_state("hidden")
        self.page.locator("article.answer").nth(1).wait_for()
        return self.card(0), self.card(1)

    def card(self, number: int) -> dict[str, str]:
        """Title, place, meters and the whole text of one answer."""
        card = self.page.locator("article.answer").nth(number)
        said = {"title": card.locator("h3").inner_text(), "text": card.inner_text()}
        said["place"] = card.locator(".place").inner_text()
        for line in card.locator("dl.meters > div").all():
            said[line.locator("dt").inner_text().lower()] = line.locator("dd").inner_text()
        return said

    def storage(self) -> str:
        """All that a script of this page can find again after the page is gone."""
        found = self.page.evaluate(
            """async () => ({
                local: {...localStorage}, session: {...sessionStorage}, cookie: document.cookie, name: window.name,
                state: history.state, databases: await indexedDB.databases(), caches: await caches.keys(),
                workers: (await navigator.serviceWorker.getRegistrations()).length, address: location.href,
            })"""
        )
        return json.dumps(found)

    def picture(self, name: str) -> None:
        """Keep how it looks."""
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
