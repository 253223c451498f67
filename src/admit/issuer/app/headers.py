"""The one table of response headers, by kind of route. Every reply of the issuer, errors included, takes its row.

A response may say more than its row (a flow page names where its form may lead), never less: what it sets itself stays,
what it leaves out is filled in by `HeaderTable`, which wraps the whole application and so also sees 404, 405 and 500.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


class Kind(Enum):
    """What a route serves; decides its row."""

    PAGE = "page"
    FLOW = "flow page"  # ends in a redirect to a client
    ACCOUNT = "account page"  # shows what belongs to somebody
    JSON = "json"
    PROTOCOL = "protocol endpoint"
    SIGNED = "signed status"  # read by programs, each few seconds by each of them
    METADATA = "public metadata"
    STATIC = "static"


PAGES: Final = frozenset({Kind.PAGE, Kind.FLOW, Kind.ACCOUNT})

ROUTES: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "/": Kind.PAGE,
        "/login": Kind.FLOW,
        "/login/": Kind.FLOW,
        "/signup": Kind.FLOW,
        "/consent": Kind.FLOW,
        "/device": Kind.FLOW,
        "/authorize": Kind.FLOW,
        "/logout": Kind.FLOW,
        "/account": Kind.ACCOUNT,
        "/account/": Kind.ACCOUNT,
        "/static/": Kind.STATIC,
        "/.well-known/": Kind.METADATA,
        "/jwks": Kind.METADATA,
        "/token": Kind.PROTOCOL,
        "/par": Kind.PROTOCOL,
        "/introspect": Kind.PROTOCOL,
        "/revoke": Kind.PROTOCOL,
        "/userinfo": Kind.PROTOCOL,
        "/device_authorization": Kind.PROTOCOL,
        "/clients": Kind.PROTOCOL,
        "/clients/": Kind.PROTOCOL,
        "/session/": Kind.PROTOCOL,
        "/status": Kind.PROTOCOL,
        "/status/": Kind.SIGNED,
        "/api/": Kind.JSON,
        "/health/": Kind.JSON,
    }
)
"""Kind by path below the issuer; a path that ends in a slash stands for everything under it. The rest is a page."""


def kind_of(path: str, routes: Mapping[str, Kind] = ROUTES) -> Kind:
    """The kind of a path below the issuer: exact, else its longest listed folder, else a page."""
    while True:
        if (kind := routes.get(path)) is not None:
            return kind
        if path in ("", "/"):
            return Kind.PAGE
        path = path[: path.rstrip("/").rfind("/") + 1]


# A reg-name or IPv4 address and a port: nothing that could end a source or a directive of the policy.
_ORIGIN: Final = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_SCRIPT_SCHEMES: Final = frozenset({"javascript", "data", "blob", "filesystem", "vbscript", "about", "file"})


def form_source(redirect_uri: str) -> str | None:
    """The CSP source through which a form of ours may end at this redirect URI; None where no source can say it.

    Web and loopback: the origin. An IPv6 literal has no spelling in CSP level 3, so its scheme stands for it; a
    private-use scheme (RFC 8252 §7.1) is named as such. Schemes that run script are never named.
    """
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme in ("http", "https"):
        if parts.hostname and ":" in parts.hostname:
            return f"{parts.scheme}:"
        origin = f"{parts.scheme}://{parts.hostname or ''}" + ("" if port is None else f":{port}")
        return origin if _ORIGIN.fullmatch(origin) else None
    if _SCHEME.fullmatch(parts.scheme) and parts.scheme not in _SCRIPT_SCHEMES:
        return f"{parts.scheme}:"
    return None


def framing() -> tuple[str, str]:
    """The CSP directive and the X-Frame-Options value that keep every reply out of frames."""
    return "frame-ancestors 'none'", "DENY"


def form_action(kind: Kind, form_target: str | None) -> str:
    """Where forms may lead. Browsers hold the redirect that answers a form to it as well, hence the client's origin."""
    if kind not in PAGES:
        return "form-action 'none'"
    if kind is Kind.FLOW and form_target is not None and (source := form_source(form_target)) is not None:
        return f"form-action 'self' {source}"
    return "form-action 'self'"


def content_sources(kind: Kind) -> str:
    """What a reply may load: our own files on pages, nothing elsewhere. No inline script or style anywhere."""
    if kind not in PAGES:
        return "default-src 'none'"
    return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; require-trusted-types-for 'script'"


def content_security_policy(kind: Kind, form_target: str | None) -> str:
    """The whole Content-Security-Policy value of one reply."""
    return "; ".join((content_sources(kind), "base-uri 'none'", form_action(kind, form_target), framing()[0]))


def caching(kind: Kind, status: int) -> str:
    """Only what is the same for everybody may be kept, and of that no error."""
    if status in (200, 304):
        if kind is Kind.STATIC:
            return "public, max-age=31536000, immutable"
        if kind is Kind.METADATA:
            return "public, max-age=300"
    return "no-store"


def transport(*, https: bool) -> dict[str, str]:
    """HSTS (RFC 6797) for two years, only where the issuer is reached by https."""
    return {"strict-transport-security": "max-age=63072000; includeSubDomains"} if https else {}


def isolation(kind: Kind) -> dict[str, str]:
    """What other origins may do with a reply. COOP only where no popup sign-in could be cut by it."""
    shared = {"cross-origin-resource-policy": "cross-origin" if kind is Kind.METADATA else "same-origin"}
    if kind is Kind.ACCOUNT:
        shared["cross-origin-opener-policy"] = "same-origin"
    if kind is Kind.METADATA:
        shared["access-control-allow-origin"] = "*"
    return shared


def sniffing() -> dict[str, str]:
    """Keeps the declared content type."""
    return {"x-content-type-options": "nosniff"}


def referrer(kind: Kind) -> str:
    """`same-origin` on pages: with `no-referrer` Chromium sends `Origin: null` with our own forms."""
    return "same-origin" if kind in PAGES else "no-referrer"


def is_bare(kind: Kind, status: int) -> bool:
    """Whether a reply has only what programs need: a signed object is nothing that a browser would show, frame or run.

    Fifty verifiers ask each few seconds, and the rest of the row would be as large as the answer. Errors have it.
    """
    return kind is Kind.SIGNED and status in (200, 304)


def table(kind: Kind, *, https: bool, status: int = 200, form_target: str | None = None) -> dict[str, str]:
    """The row of one reply: lower-case names to values. `form_target` is the transaction's redirect URI."""
    if is_bare(kind, status):
        return {**sniffing(), "cache-control": caching(kind, status)}
    row = {
        **transport(https=https),
        **sniffing(),
        **isolation(kind),
        "content-security-policy": content_security_policy(kind, form_target),
        "x-frame-options": framing()[1],
        "referrer-policy": referrer(kind),
        "cache-control": caching(kind, status),
    }
    if kind in (Kind.PROTOCOL, Kind.SIGNED):
        row["pragma"] = "no-cache"  # OpenID Connect Core §3.1.3.3 asks for both
    return row


def with_charset(content_type: bytes) -> bytes:
    """Text always says its charset; JSON has none to say (RFC 8259 §8.1)."""
    lowered = content_type.lower()
    return (
        content_type + b"; charset=utf-8"
        if lowered.startswith(b"text/") and b"charset" not in lowered
        else content_type
    )


def _encoded(row: Mapping[str, str]) -> RawHeaders:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in row.items()]


def complete(given: Iterable[tuple[bytes, bytes]], row: RawHeaders) -> RawHeaders:
    """`given` with what it lacks of `row`."""
    headers = [(n, with_charset(v)) if n.lower() == b"content-type" else (n, v) for n, v in given]
    present = {name.lower() for name, _ in headers}
    return headers + [pair for pair in row if pair[0] not in present]


class HeaderTable:
    """ASGI middleware around the whole issuer: gives each HTTP reply the row of its path.

    `kinds` maps a path below the issuer (the mount's `root_path` taken off, or the issuer's own path `base` where it is
    mounted nowhere) to its kind.
    """

    def __init__(
        self, app: ASGIApp, *, https: bool, kinds: Callable[[str], Kind] = kind_of, base: str = ""
    ) -> None:
        self._app = app
        self._base = base
        self._kinds = kinds
        self._rows = {
            (kind, fine): _encoded(table(kind, https=https, status=200 if fine else 500))
            for kind in Kind
            for fine in (True, False)
        }
        # What is the same for everybody has few sets of headers, and none that is anybody's.
        row = self._rows[Kind.METADATA, True]
        self._public = lru_cache(maxsize=64)(lambda given: complete(given, row))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Read now: routing below changes root_path in this very dict.
        kind = self._kinds(_below_mount(scope, self._base))

        async def send_with_row(message: Message) -> None:
            if message["type"] == "http.response.start":
                fine = message["status"] in (200, 304)
                given = message.get("headers", ())
                if fine and kind is Kind.METADATA:
                    headers = list(self._public(tuple(given)))  # whoever stands outside may add to it
                else:
                    headers = complete(given, self._rows[kind, fine])
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_row)


def _below_mount(scope: Scope, base: str) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "") or base
    return path[len(root) :] if root and path.startswith(root + "/") else path
