"""What the checks of a bearer token cost where nothing is made of them: no principal, no reasons, no second issuer.

`Floor` is one function for one issuer, one key, one audience, with the quickest parts that this Python has: it asks
what a guard asks of a new token, form, `alg`, `typ`, doubled members, `iss`, `aud`, `exp`, `iat`, scope and role, and
knows the header once it was read. `StandardLibrary` is what one writes by hand without any library, and looks at less.
"""

import base64
import hmac
import json
import time
from binascii import a2b_base64
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from starlette.requests import HTTPConnection

_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Denied(Exception):
    """The token is not good."""


class Floor:
    """The checks inline."""

    def __init__(self, secret: bytes, issuer: str, audience: str) -> None:
        self.secret, self.issuer, self.audience = secret, issuer, audience
        self.head = b""

    def check(self, authorization: bytes) -> str:
        """The subject."""
        if authorization[:7] != b"Bearer " or len(authorization) > 16_000:
            raise Denied
        signed, _, tail = authorization[7:].rpartition(b".")
        head, _, body = signed.partition(b".")
        payload = a2b_base64(body.translate(_TO_STANDARD) + b"==")
        signature = a2b_base64(tail.translate(_TO_STANDARD) + b"==")
        if len(payload) != len(body) * 3 >> 2 or len(signature) != 32 or len(tail) != 43:
            raise Denied
        if head != self.head:
            header = _decode(a2b_base64(head.translate(_TO_STANDARD) + b"=="))
            if header["alg"] != "HS256" or header["typ"] != "at+jwt":
                raise Denied
        if not hmac.compare_digest(signature, hmac.digest(self.secret, signed, "sha256")):
            raise Denied
        self.head = head
        claims = _decode(payload)
        if _encode(claims) != payload:
            raise Denied
        now = time.time()
        if claims["iss"] != self.issuer or claims["aud"] != self.audience:
            raise Denied
        if not claims["iat"] - 30 <= now < claims["exp"] + 30:
            raise Denied
        if "orders:read" not in claims["scope"].split(" ") or "admin" not in claims["roles"]:
            raise Denied
        subject: str = claims["sub"]
        return subject

    async def __call__(self, connection: HTTPConnection) -> str:
        """A dependency of FastAPI."""
        return self.check(authorization_of(connection.scope))

    def around(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Middleware of ASGI."""

        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            scope["subject"] = self.check(authorization_of(scope))
            await app(scope, receive, send)

        return guarded

    def around_wsgi(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """Middleware of WSGI."""

        def guarded(environ: Any, start_response: Any) -> Iterable[bytes]:
            environ["subject"] = self.check(environ["HTTP_AUTHORIZATION"].encode("latin-1"))
            return app(environ, start_response)

        return guarded


def authorization_of(scope: Any) -> bytes:
    """The one Authorization header."""
    found: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) != 1:
        raise Denied
    return found[0]


class StandardLibrary:
    """HS256, `iss`, `aud`, `exp`, one scope and one role, as one writes them by hand."""

    def __init__(self, secret: bytes, issuer: str, audience: str) -> None:
        self.secret, self.issuer, self.audience = secret, issuer, audience

    async def __call__(self, connection: HTTPConnection) -> str:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        head, payload, signature = token.split(".")
        wanted = hmac.digest(self.secret, f"{head}.{payload}".encode(), "sha256")
        if scheme.lower() != "bearer" or not hmac.compare_digest(decoded(signature), wanted):
            raise Denied
        header, claims = json.loads(decoded(head)), json.loads(decoded(payload))
        if header["alg"] != "HS256" or header["typ"] != "at+jwt" or claims["iss"] != self.issuer:
            raise Denied
        if claims["aud"] != self.audience or claims["exp"] < time.time():
            raise Denied
        if "orders:read" not in claims["scope"].split() or "admin" not in claims["roles"]:
            raise Denied
        subject: str = claims["sub"]
        return subject


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
