"""docs/routes.md: every route of the issuer as its own table has it, with who may call and what guards it."""

from pathlib import Path
from typing import Final

from admit.credentials.csrf import SAFE_METHODS
from admit.issuer import Issuer, Settings
from admit.issuer.app.api.described import Who
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.headers import Kind, kind_of, table
from admit.issuer.storage import Keyring

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "routes.md"
NOTE: Final = "<!-- Written by `make docs` from the issuer's own table of routes. Change that instead. -->\n"
WHO: Final = {
    Who.ANYBODY: "anybody",
    Who.SESSION: "who is signed in",
    Who.USER: "who is signed in, or an access token of theirs",
    Who.OPERATOR: "an operator (`admit:admin`), signed in or by a token",
    Who.CLIENT: "an application, by its own proof",
    Who.RESOURCE: "an API, by its id and secret",
}
ROWS: Final = {
    Kind.PAGE: "page",
    Kind.FLOW: "flow page",
    Kind.ACCOUNT: "account page",
    Kind.JSON: "JSON",
    Kind.PROTOCOL: "protocol",
    Kind.SIGNED: "signed status",
    Kind.METADATA: "public metadata",
    Kind.STATIC: "static",
}
_ABOUT: Final = """\
*CSRF*: what a request by cookie that changes something has to show. *token*: the session's or pre-session's own token,
in the field `csrf` or as `X-CSRF-Token`, and an `Origin` of ours (else `Sec-Fetch-Site: same-origin`). Where none is
wanted the table says why. `GET` and `HEAD` change nothing. Tests send every request of this table from other sites,
and compare all rows of the database before and after: `tests/threats/test_routes_http.py`.

*Headers* names the row of the second table. Pages are shown to who goes there: fetched or embedded by another origin
they are refused, by `Sec-Fetch-Site`, whether somebody is signed in or not.
"""


def guard(route: Route, method: str) -> str:
    """What guards one method."""
    if method in SAFE_METHODS:
        return "changes nothing"
    return "token" if route.exempt is None else f"none: {route.exempt}"


def page() -> str:
    """The whole page."""
    nowhere = "sqlite:////nonexistent/admit.db"  # nothing is opened
    settings = Settings(issuer="https://id.example.com", database=nowhere, data="/nonexistent")
    routes = Issuer(settings, keyring=Keyring.generate()).routes
    lines = ["# Routes\n", NOTE, _ABOUT, "| path | method | who | CSRF | headers |", "|---|---|---|---|---|"]
    for route in sorted(routes, key=lambda one: one.path):
        path = "/static/*/*" if route.path.startswith("/static/") else route.path
        for method in route.handlers:
            face = "" if route.face is Face.JSON else ", errors as pages"
            row = ROWS[kind_of(route.path)]
            who = WHO[route.allowed_to(method)]
            lines.append(f"| `{path}` | {method} | {who} | {guard(route, method)} | {row}{face} |")
    lines += ["", "## Headers by kind, on an https issuer\n"]
    for kind in Kind:
        lines.append(f"**{ROWS[kind]}**\n")
        lines += [f"- `{name}: {value}`" for name, value in table(kind, https=True).items()]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
