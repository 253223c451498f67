"""Which request goes on to which API, and with what of it. Pure.

An API is named by the application's author, with the audience whose token it gets. Nothing that a page sends chooses
the host, leaves the base path, or brings a credential.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final
from urllib.parse import unquote, urlsplit

from admit.errors import ConfigError, CredentialError, FetchError
from admit.fetch import egress
from admit.relying_party.bff.http import Answer, Request

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:@/]*", re.ASCII)
_QUERY = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:@/?\[\]|]*", re.ASCII)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_MAX_DIGITS: Final = 18
_MAX_SUBPROTOCOLS: Final = 16
_SENT: Final = frozenset(
    {
        b"accept", b"accept-encoding", b"accept-language", b"content-type", b"content-encoding", b"if-match",
        b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range", b"last-event-id",
        b"prefer", b"idempotency-key", b"traceparent", b"tracestate",
    }
)  # fmt: skip
_RETURNED: Final = (
    "accept-ranges", "content-disposition", "content-encoding", "content-language", "content-length", "content-range",
    "content-type", "deprecation", "etag", "last-modified", "preference-applied", "retry-after", "sunset",
    "x-content-type-options",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Api:
    """One API that pages may reach, at `…/api/{name}/`.

    `base` is its URL, `audience` what its tokens are for: the `resource` (RFC 8707) that is asked for when the session
    is refreshed, or None for the token that the sign-in itself gave. `scopes` narrow that token: it is asked for with
    those alone. `provider` is the name of the provider whose tokens the API takes; sessions of another are refused. It
    may be left out where there is one.

    Bodies and answers are passed on as they come, and are held nowhere. A request's body has at most `max_bytes`.
    `timeout` is for the answer to begin, and `silence` for each further piece of it: a server-sent event, or a comment
    that keeps the stream alive, has to come more often. With `websockets` pages may open WebSockets there, where the
    application runs in Starlette; a message of the API has at most `max_bytes` too.

    Raises:
        ConfigError: the parts do not fit together.
    """

    name: str
    base: str
    audience: str | None = None
    scopes: Sequence[str] = ()
    max_bytes: int = 4 * 1024 * 1024
    provider: str | None = None
    timeout: timedelta = field(default=timedelta(seconds=30), kw_only=True)
    silence: timedelta = field(default=timedelta(minutes=2), kw_only=True)
    websockets: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ConfigError("Api(name=...) is lower case letters, digits and hyphens, at most 32")
        try:
            egress.check_url(self.base, frozenset({egress.origin_of(self.base)}))
        except FetchError:
            raise ConfigError("Api(base=...) is an https URL (http only on loopback)") from None
        if urlsplit(self.base).query or "?" in self.base:
            raise ConfigError("Api(base=...) has no query")
        if isinstance(self.scopes, str) or not all(_SCOPE.fullmatch(one) for one in self.scopes):
            raise ConfigError("Api(scopes=...) are several texts without spaces")
        if self.max_bytes < 1:
            raise ConfigError("Api(max_bytes=...) is positive")
        if self.timeout <= timedelta(0) or self.silence <= timedelta(0):
            raise ConfigError("Api(timeout=..., silence=...) are positive")
        object.__setattr__(self, "scopes", tuple(self.scopes))

    @property
    def origin(self) -> str:
        return egress.origin_of(self.base)


class ForwardError(CredentialError):
    """A request that is not passed on: its path, method or size is none that an API of ours has."""

    public = "This cannot be passed on."


class AnotherProviderError(CredentialError):
    """The API takes the tokens of another provider than the one that the person signed in with."""

    code: ClassVar[str] = "another_provider"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "This needs a sign-in with another provider."


def target(api: Api, rest: str, query: str) -> str:
    """The URL at the API for what stands behind `…/api/{name}/`.

    Raises:
        ForwardError: the path could be read in two ways, or leaves the base.
    """
    check_path(rest)
    if _QUERY.fullmatch(query) is None or _ESCAPE.search(query):
        raise ForwardError("the query has characters that no query has")
    url = f"{api.base.rstrip('/')}/{rest}"
    return f"{url}?{query}" if query else url


def check_path(rest: str) -> None:
    """No dot segments, no empty ones, no escaped slashes: servers disagree on what those mean.

    Raises:
        ForwardError: there is one.
    """
    if _PATH.fullmatch(rest) is None or _ESCAPE.search(rest):
        raise ForwardError("the path has characters that no path has")
    segments = rest.split("/")
    for place, segment in enumerate(segments):
        plain = unquote(segment, errors="replace")
        is_last = place == len(segments) - 1
        if plain in (".", "..") or not plain.isprintable() or any(char in plain for char in "/\\;%"):
            raise ForwardError("the path has a segment that can be read in two ways")
        if not plain and not is_last:
            raise ForwardError("the path has an empty segment")


def length(request: Request) -> int | None:
    """How many octets the request says that its body has; None where it says none or `chunked`.

    Raises:
        ForwardError: it says that twice or in two ways, so that a server behind could read another end of it.
    """
    told = request.all(b"content-length")
    if len(told) > 1 or (told and request.all(b"transfer-encoding")):
        raise ForwardError("the body's length is said twice")
    if told and not (told[0].isdigit() and len(told[0]) <= _MAX_DIGITS):
        raise ForwardError("the body's length is no number")
    return int(told[0]) if told else None


def headers(request: Request, access_token: str) -> dict[str, str]:
    """What is sent along: a few fields of the page's request, and the API's own token. Never a cookie."""
    own = of_connection(value.decode("latin-1") for value in request.all(b"connection"))
    sent: dict[str, str] = {"accept-encoding": "identity"}
    for octets, value in request.headers:
        name = octets.decode("latin-1")
        if octets in _SENT and name not in own:
            told, first = value.decode("latin-1"), name not in sent or name == "accept-encoding"
            sent[name] = told if first else f"{sent[name]}, {told}"
    if request.upload is not None:
        size = length(request)
        sent |= {"transfer-encoding": "chunked"} if size is None else {"content-length": str(size)}
    return {**sent, "authorization": f"Bearer {access_token}"}


def handshake(request: Request, access_token: str) -> dict[str, str]:
    """What is sent along with a WebSocket's handshake. The library adds what the protocol wants."""
    sent = {name: request.one(name.encode()) for name in ("accept-language", "traceparent", "tracestate")}
    return {
        **{name: value for name, value in sent.items() if value},
        "authorization": f"Bearer {access_token}",
    }


def subprotocols(request: Request) -> list[str]:
    """What the page offers, RFC 6455 §4.1.

    Raises:
        ForwardError: one is no token, or there are many.
    """
    offered = [
        one.strip()
        for value in request.all(b"sec-websocket-protocol")
        for one in value.decode("latin-1").split(",")
    ]
    if len(offered) > _MAX_SUBPROTOCOLS or not all(_TOKEN.fullmatch(one) for one in offered):
        raise ForwardError("the subprotocols are none")
    return offered


def answer(status: int, headers: Mapping[str, str]) -> Answer:
    """What the page gets: the answer without cookies, challenges and what belongs to one connection; no body yet."""
    own = of_connection([headers.get("connection", "")])
    if "transfer-encoding" in headers:
        own.add("content-length")  # which is overridden by it, and is not passed on, RFC 9112 §6.3
    found = [(name, headers[name]) for name in _RETURNED if name in headers and name not in own]
    found.append(("cache-control", for_one(headers.get("cache-control", ""))))
    found.append(("vary", ", ".join(filter(None, [headers.get("vary", ""), "cookie"]))))
    if "x-content-type-options" not in headers:
        found.append(("x-content-type-options", "nosniff"))
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream":
        found.append(("x-accel-buffering", "no"))  # proxies before the application would wait for more
    # It comes from the application's own origin now: what the API thought harmless there must not run as a page here.
    found.append(("content-security-policy", "default-src 'none'; sandbox"))
    return Answer(status, tuple(found))


def of_connection(values: Iterable[str]) -> set[str]:
    """The names of fields that belong to one connection, and go no further, RFC 9110 §7.6.1."""
    return {one.strip().lower() for value in values for one in value.split(",")}


def for_one(cache_control: str) -> str:
    """How the page's browser, and nobody between, may keep an answer.

    The API's caches were told apart by `Authorization` (RFC 9111 §3.5). The page's request has none, so that a shared
    cache would give one person's answer to the next. What is quoted, field names or commas, is read in several ways.
    """
    directives = [one.strip() for one in cache_control.split(",") if one.strip()]
    names = {one.partition("=")[0].strip().lower() for one in directives}
    if '"' in cache_control or not directives or not names.isdisjoint({"no-store", "public", "s-maxage"}):
        return "no-store"
    return cache_control if "private" in {one.lower() for one in directives} else f"private, {cache_control}"
