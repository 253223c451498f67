"""A person with a browser without script: follows redirects, and fills in the issuer's forms where they meet one."""

import html
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit, urlunsplit

import httpx2

from tests.fixtures.issuer import ADA, field_of

STEPS = 20


@dataclass(frozen=True, slots=True)
class Landed:
    """Where the person came to: an address that was not opened, or a page."""

    url: str
    page: httpx2.Response | None = None

    @property
    def answer(self) -> dict[str, str]:
        """The parameters in the address."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def form(self) -> tuple[str, dict[str, str]]:
        """Where the form on the page leads, and its hidden fields."""
        action = re.search(r'<form [^>]*method="post" action="([^"]+)"', self.text)
        assert action is not None, "the page has no form"
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', self.text)
        return html.unescape(action[1]), {name: html.unescape(value) for name, value in fields}

    @property
    def text(self) -> str:
        assert self.page is not None, f"{self.url} was not opened"
        return self.page.text


class Person(httpx2.Client):
    """Ada, unless said otherwise. `typed` and `asked` count passwords and consents; without `consents` she refuses."""

    def __init__(self, issuer: str, who: tuple[str, str, str, tuple[str, ...]] = ADA) -> None:
        super().__init__(timeout=30)
        self.issuer = issuer
        self.who = who
        self.typed = 0
        self.asked = 0
        self.consents = True

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def go(self, url: str, *, until: str | None = None) -> Landed:
        """Open an address and go on to a page that asks nothing, or to the first address that begins with `until`.

        Raises:
            AssertionError: the way did not end.
        """
        response: httpx2.Response | None = None
        for _ in range(STEPS):
            if response is None:
                if until is not None and url.startswith(until):
                    return Landed(url)
                response = self.get(url)
            if response.is_redirect:
                url, response = urljoin(str(response.url), response.headers["location"]), None
                continue
            url = str(response.url)
            answer = self._fill_in(url, response)
            if answer is None:
                return Landed(url, response)
            response = answer
        raise AssertionError(f"no end of redirects: {urlsplit(url).path}")

    def _fill_in(self, url: str, page: httpx2.Response) -> httpx2.Response | None:
        path = urlsplit(url).path
        if page.status_code != 200 or not url.startswith(self.issuer + "/"):
            return None
        if path == "/login" and 'name="password"' in page.text:
            self.typed += 1
            return self.submit("/login", page.text, email=self.who[0], password=self.who[1])
        if path == "/consent" and 'name="decision"' in page.text:
            self.asked += 1
            return self.submit("/consent", page.text, decision="allow" if self.consents else "refuse")
        return None

    def forget_issuer(self) -> None:
        """Without the issuer's cookies, and with everybody else's."""
        for cookie in [one for one in self.cookies.jar if one.domain.startswith("localhost")]:
            self.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)

    def submit(self, path: str, page: str, **form: str) -> httpx2.Response:
        """A form of the issuer's, with the hidden fields of its page."""
        hidden = {
            name: field_of(page, name)
            for name in ("csrf", "i", "shown")
            if re.search(rf'name="{name}"', page)
        }
        return self.post(self.issuer + path, data={**hidden, **form}, headers={"origin": self.issuer})


def changed(url: str, **parameters: str) -> str:
    """The address with these parameters instead of what they were."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return urlunsplit(parts._replace(query=urlencode({**query, **parameters})))
