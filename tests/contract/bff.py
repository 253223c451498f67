"""What the proxy of a backend for a frontend does with a page's request to a guarded API, in every framework.

The page's side is a session cookie, so a case has one mode: of the cases of `cases.py` those are here that a page can
cause, and what only a proxy can do wrong. Challenges are for who holds a token; the page holds none, and gets none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.contract.services import Issuer

Sent = dict[str, str]
PROXY: Final = "/bff/api/orders"
EVIL: Final = "https://evil.example"


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of the application knows and its browser sends. `cookie` is the session's."""

    cookie: str
    csrf: str
    origin: str

    @property
    def own(self) -> Sent:
        """A change by this page."""
        return {"cookie": self.cookie, "origin": self.origin, "x-csrf-token": self.csrf}

    def named(self, value: str) -> str:
        """The session cookie with another value."""
        return f"{self.cookie.partition('=')[0]}={value}"


@dataclass(frozen=True, slots=True)
class BffCase:
    """One request of a page: its answer's status and error, and whether the API was asked at all."""

    name: str
    status: int
    error: str = ""
    path: str = "/read"
    method: str = "GET"
    sent: Callable[[Page], Sent] = field(default=lambda page: {"cookie": page.cookie})
    reaches: bool = True
    then: Callable[[Issuer], None] | None = None
    """What happens before, and is undone by signing in anew."""


CASES: Final = (
    BffCase("a person", 200),
    BffCase("HEAD", 200, method="HEAD"),
    BffCase("no cookie", 401, "invalid_session", sent=lambda page: {}, reaches=False),
    BffCase("a junk cookie", 401, "invalid_session", sent=lambda page: {"cookie": page.named("canary")}, reaches=False),
    BffCase("two session cookies", 401, "invalid_session", reaches=False,
            sent=lambda page: {"cookie": f"{page.cookie}; {page.cookie}"}),
    BffCase("a session that nobody knows", 401, "invalid_session", reaches=False,
            sent=lambda page: {"cookie": page.named("A" * 43)}),
    BffCase("a token in place of the cookie", 401, "invalid_session", reaches=False,
            sent=lambda page: {"authorization": "Bearer canary"}),
    BffCase("a token beside the cookie is not passed on", 200,
            sent=lambda page: {"cookie": page.cookie, "authorization": "Bearer canary"}),
    BffCase("a token in the query", 400, "invalid_request", path="/read?access_token=canary"),
    BffCase("a change by our page", 200, path="/change", method="POST", sent=lambda page: page.own),
    BffCase("a change without a token", 403, "csrf_failed", path="/change", method="POST", reaches=False,
            sent=lambda page: {"cookie": page.cookie, "origin": page.origin}),
    BffCase("a change by another site", 403, "csrf_failed", path="/change", method="POST", reaches=False,
            sent=lambda page: {**page.own, "origin": EVIL}),
    BffCase("a read by another site", 403, "csrf_failed", reaches=False,
            sent=lambda page: {"cookie": page.cookie, "sec-fetch-site": "cross-site"}),
    BffCase("a method in a header is not passed on", 200, path="/read",
            sent=lambda page: {"cookie": page.cookie, "x-http-method-override": "DELETE", "x-method": "DELETE"}),
    BffCase("another API", 404, "not_found", path="/../other/read", reaches=False),
    BffCase("OPTIONS", 405, method="OPTIONS", reaches=False),
    BffCase("missing scope", 403, "insufficient_scope", path="/write"),
    BffCase("no such route", 404, path="/nowhere"),
    BffCase("revoked at the API", 401, "invalid_token", then=Issuer.end),
    BffCase("the API's issuer is gone", 503, "revocation_stale", then=Issuer.fail),
)  # fmt: skip
