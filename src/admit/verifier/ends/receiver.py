"""`EndReceiver`: a small ASGI application to which issuers send logout tokens and security events."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from admit.errors import (
    AdmitError,
    AlgorithmError,
    AudienceError,
    ConfigError,
    InvalidKeyError,
    IssuerError,
    KeyNotFoundError,
    RevokedError,
    SignatureError,
    TokenError,
    UnavailableError,
)
from admit.jose import json as strict_json
from admit.jose.jws import MAX_TOKEN
from admit.tokens import logout, security_event
from admit.verifier.ends.intake import Attempt, Audience, Intake, Told, Transmitter
from admit.verifier.verifier import AsyncVerifier, Verifier

_LOG = logging.getLogger("admit.verifier")
MAX_BODY = 4 * MAX_TOKEN
"""Octets of a request's body: a token, and what a form may say beside it."""
_MAX_FIELDS = 20
_READING = 10.0
_FORM = b"application/x-www-form-urlencoded"
_SET = b"application/secevent+jwt"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ERRORS: "MappingProxyType[type[AdmitError], tuple[str, str]]" = MappingProxyType(
    {
        IssuerError: ("invalid_issuer", "The issuer of the SET is not one whose SETs are taken here."),
        AudienceError: ("invalid_audience", "The SET is not for this receiver."),
        AlgorithmError: ("invalid_key", "The SET is signed with another algorithm than its key's."),
        KeyNotFoundError: ("invalid_key", "The key that signed the SET is not known."),
        SignatureError: ("invalid_key", "The signature of the SET does not verify."),
        RevokedError: ("invalid_key", "The key that signed the SET was revoked."),
        TokenError: ("invalid_request", "The SET is not valid."),
    }
)
"""RFC 8935 §2.4: what is answered for each kind of failure. The first that fits counts."""


class EndReceiver:
    """Takes what issuers send when something ended, and keeps it in their stores: an ASGI application, to be mounted
    anywhere or served alone.

    `POST /backchannel-logout` takes a logout token (OpenID Connect Back-Channel Logout 1.0 §2.5): 200, or 400 for
    whatever went wrong (§2.8). The same token a second time is 400. `POST /events` takes a security event token
    (RFC 8935, Shared Signals Framework 1.0): 202, or 400; the same token again is 202 again; 503 when it could not be
    kept, so that it is sent again. An answer of success means that all ends are in the store.

    `verifier` is the one that checks tokens (or one of the same `TrustedIssuer`s): its issuers with `ends=...` are
    those whose word is taken, by the same keys. `audience` is how they call us: our client id, one of several, or a
    mapping by issuer. `authorization` is the exact `Authorization` header that transmitters of events were told to
    send. `transmitters` send events under another name than their issuer's. `ends_on` are the events that end anything.
    `max_age` is how old a logout token may be.

    Raises:
        ConfigError: no issuer with a store and an audience, or parts that do not fit together.
    """

    def __init__(
        self,
        verifier: Verifier | AsyncVerifier,
        *,
        audience: Audience,
        authorization: str | None = None,
        transmitters: Sequence[Transmitter] = (),
        ends_on: frozenset[str] = security_event.ENDING,
        max_age: timedelta = logout.MAX_AGE,
        logout_path: str = "/backchannel-logout",
        events_path: str = "/events",
    ) -> None:
        if authorization is not None and not (authorization and authorization.isascii()):
            raise ConfigError("EndReceiver(authorization=...) is an ASCII text that is not empty")
        if not (logout_path.startswith("/") and events_path.startswith("/")) or logout_path == events_path:
            raise ConfigError("logout_path and events_path begin with a slash, and are two")
        self._intake = Intake(
            verifier.core, audience, transmitters=transmitters, ends_on=ends_on, max_age=max_age
        )
        self._verifier = verifier
        self._authorization = None if authorization is None else authorization.encode("ascii")
        self._routes = {logout_path: self._logout, events_path: self._events}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI 3 has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Where this application is served alone: begin with the keys at once."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self._intake.core.background:
                    self._verifier.ready()
                await send({"type": "lifespan.startup.complete"})
            else:
                self._intake.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._routes.get(_path(scope))
        if handler is None:
            return await _answer(send, 404)
        if scope["method"] != "POST":
            return await _answer(send, 405, headers=[(b"allow", b"POST")])
        try:
            async with asyncio.timeout(_READING):
                body = await read_body(receive)
        except TimeoutError:
            body = None
        except _Gone:
            return None
        return await handler(list(scope["headers"]), body, send)

    async def _logout(self, headers: list[tuple[bytes, bytes]], body: bytes | None, send: Send) -> None:
        try:
            token = form_token(headers, body)
            told = await self._told(partial(self._intake.try_logout, token))
            check_new(await self._keep(told))
        except UnavailableError as error:
            _LOG.error("a logout token could not be kept: %s", error.detail)
            # §2.8 has 400 for a logout that failed, too. The issuer is to tell it again.
            await _refuse_logout(send, "temporarily_unavailable", "The logout could not be carried out.")
        except (TokenError, InvalidKeyError) as error:
            _LOG.warning("a logout token was refused: %s", error.detail)
            await _refuse_logout(send, "invalid_request", "The logout token is not valid.")
        else:
            await _answer(send, 200)

    async def _events(self, headers: list[tuple[bytes, bytes]], body: bytes | None, send: Send) -> None:
        try:
            if not is_authorized(headers, self._authorization):
                return await _refuse_event(
                    send,
                    "authentication_failed",
                    "The Authorization header is missing or not the one agreed on.",
                )
            token = event_token(headers, body)
            told = await self._told(partial(self._intake.try_events, token))
            await self._keep(told)
        except UnavailableError as error:
            _LOG.error("a security event could not be kept: %s", error.detail)
            retry = [(b"retry-after", str(error.retry_after).encode())]
            return await _answer(send, 503, headers=retry)
        except (TokenError, InvalidKeyError) as error:
            _LOG.warning("a security event was refused: %s", error.detail)
            return await _refuse_event(send, *error_of(error))
        return await _answer(send, 202)

    async def _told(self, attempt: Attempt) -> Told:
        return await self._intake.settle_async(attempt)

    async def _keep(self, told: Told) -> bool:
        """Whether anything was new. On return all of it is kept."""
        if not told.ends:
            return True
        return await asyncio.to_thread(told.store.add, told.ends)

    def close(self) -> None:
        """Stop following the keys of transmitters. Verifier and stores go on."""
        self._intake.close()


def is_authorized(headers: list[tuple[bytes, bytes]], wanted: bytes | None) -> bool:
    """Whether the transmitter showed what it was given for that, where it was given anything, SSF §6.1.1."""
    sent = [value for name, value in headers if name == b"authorization"]
    return wanted is None or (len(sent) == 1 and hmac.compare_digest(sent[0], wanted))


def check_new(new: bool) -> None:
    """A logout token is good once, OpenID Connect Back-Channel Logout 1.0 §2.6.

    Raises:
        TokenError: it was received before.
    """
    if not new:
        raise TokenError("the logout token was received before")


def error_of(error: AdmitError) -> tuple[str, str]:
    """`err` and `description` for a SET that is not taken, RFC 8935 §2.4. Nothing of the SET is repeated."""
    for kind, answer in ERRORS.items():
        if isinstance(error, kind):
            return answer
    return ERRORS[TokenError]


def form_token(headers: list[tuple[bytes, bytes]], body: bytes | None) -> str:
    """The one `logout_token` of a form; what else it says is ignored, §2.5.

    Raises:
        TokenError: there is no such form, or not one such field.
    """
    if body is None or _media_type(headers) != _FORM:
        raise TokenError("not a form")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise TokenError("the form is malformed") from None
    found = [value for name, value in pairs if name == "logout_token"]
    if len(found) != 1:
        raise TokenError("a form has one logout_token")
    return found[0]


def event_token(headers: list[tuple[bytes, bytes]], body: bytes | None) -> str:
    """The SET that a body is, RFC 8935 §2.1.

    Raises:
        TokenError: the body is of another media type, or no ASCII.
    """
    if body is None or _media_type(headers) != _SET:
        raise TokenError("the body is not application/secevent+jwt")
    try:
        return body.decode("ascii").strip(" \t\r\n")
    except UnicodeDecodeError:
        raise TokenError("the body is not ASCII") from None


def _media_type(headers: list[tuple[bytes, bytes]]) -> bytes:
    found = [value for name, value in headers if name == b"content-type"]
    return found[0].partition(b";")[0].strip(b" \t").lower() if len(found) == 1 else b""


class _Gone(Exception):
    """The client went away."""


async def read_body(receive: Receive) -> bytes | None:
    """The whole body; None where it is larger than any good one."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _path(scope: Scope) -> str:
    """The path below where this application is mounted; some servers and frameworks leave the mount in it."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root + "/") else path


async def _refuse_logout(send: Send, error: str, description: str) -> None:
    await _answer(send, 400, {"error": error, "error_description": description})


async def _refuse_event(send: Send, error: str, description: str) -> None:
    headers = [(b"content-language", b"en")]
    await _answer(send, 400, {"err": error, "description": description}, headers=headers)


async def _answer(
    send: Send,
    status: int,
    members: dict[str, Any] | None = None,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    body = b"" if members is None else strict_json.dumps_object(members)
    sent = [
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    if body:
        sent.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
