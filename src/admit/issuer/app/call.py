"""One HTTP call as the endpoints see it: the raw ASGI scope, read once, strictly and within limits."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from admit.errors import AdmitError
from admit.issuer.app import tracing
from admit.issuer.audit.records import RequestInfo
from admit.issuer.oauth.errors import InvalidRequestError, PayloadTooLargeError, UnsupportedMediaTypeError
from admit.issuer.oauth.parameters import MAX_BODY, Parameters, parse, refuse_repeated

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Compared to the octet and never shown, so that a control character in one is as good as any other: one that was set
# elsewhere may have it, ASVS 5.0 V6.2.8.
PASSWORDS = frozenset({"password", "current_password", "new_password"})


@dataclass(slots=True)
class Call:
    """A call under way. `now` is taken once, so that every rule of one call sees one time.

    An endpoint may note for the operator: `refused`, an error that it told itself, on a page or by a redirect;
    `outcome`, how a sign-in went, in a word of ours; `client_id`, a registered client that was named.
    """

    scope: Scope
    receive: Receive
    now: float
    path_value: str = ""
    refused: AdmitError | None = None
    outcome: str = ""
    client_id: str | None = None
    _request_id: str = field(default="", init=False, repr=False)
    _info: RequestInfo | None = field(default=None, init=False, repr=False)
    _query: Parameters | None = field(default=None, init=False, repr=False)

    @property
    def request_id(self) -> str:
        """Of this call alone, for what is told of it. Most calls have nothing told of them, and draw none."""
        if not self._request_id:
            self._request_id = secrets.token_hex(8)
        return self._request_id

    @property
    def method(self) -> str:
        """The HTTP method, HEAD told as GET (the server drops the body)."""
        method: str = self.scope["method"]
        return "GET" if method == "HEAD" else method

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Name (lower case) and value, as they came."""
        headers: list[tuple[bytes, bytes]] = self.scope["headers"]
        return headers

    def headers_of(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: bytes) -> bytes | None:
        """The one value of a header; None where it is absent.

        Raises:
            InvalidRequestError: it occurs twice.
        """
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise InvalidRequestError("repeated header")
        return found[0] if found else None

    @property
    def trace_id(self) -> str | None:
        """The trace that the caller says this belongs to; for logs."""
        return tracing.trace_id(self.headers)

    @property
    def query(self) -> Parameters:
        """The decoded query string."""
        if self._query is None:
            self._query = parse(self.scope.get("query_string", b""))
        return self._query

    @property
    def info(self) -> RequestInfo:
        """Who called, for the audit: the socket's address (no forwarded header is believed)."""
        if self._info is None:
            self._info = self._read_info()
        return self._info

    def _read_info(self) -> RequestInfo:
        client = self.scope.get("client")
        agent = next((value for key, value in self.headers if key == b"user-agent"), b"")
        return RequestInfo(
            ip=client[0] if client else None,
            request_id=self.request_id,
            user_agent=printable(agent.decode("latin-1"))[:256],
        )

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """The whole body, at most `limit` octets: a larger one is refused before it is read."""
        length = self.header(b"content-length")
        if length is not None and (not length.isdigit() or len(length) > 12 or int(length) > limit):
            raise PayloadTooLargeError("content-length")
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequestError("disconnected")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise PayloadTooLargeError("body")
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def form(self) -> Parameters:
        """The decoded form body, in which nothing occurs twice; nothing of the query is mixed in.

        Raises:
            UnsupportedMediaTypeError, PayloadTooLargeError, InvalidRequestError
        """
        form = await self.form_as_it_is()
        refuse_repeated(form)
        return form

    async def form_as_it_is(self) -> Parameters:
        """The same for who looks at what occurs twice.

        Raises:
            UnsupportedMediaTypeError, PayloadTooLargeError, InvalidRequestError
        """
        if not is_form(self.header(b"content-type")):
            raise UnsupportedMediaTypeError("content-type")
        return parse(await self.body(), exact=PASSWORDS)


def is_form(content_type: bytes | None) -> bool:
    """The one media type that OAuth's endpoints read, RFC 6749 §4.1.3."""
    return (content_type or b"").split(b";")[0].strip().lower() == b"application/x-www-form-urlencoded"


def printable(text: str) -> str:
    """`text` without control characters, for records that people read."""
    if text.isprintable():  # as almost all are
        return text
    return "".join(character for character in text if character.isprintable())
