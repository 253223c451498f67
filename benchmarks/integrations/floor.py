"""The floor: a bearer token checked inside one dependency, with nothing remembered and nothing made general."""

import base64
import hmac
import json
import time

from starlette.requests import Request


class Denied(Exception):
    """The token is not good."""


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Floor:
    """HS256, `iss`, `aud`, `exp`, one scope and one role, written out."""

    def __init__(self, secret: bytes, issuer: str, audience: str) -> None:
        self.secret, self.issuer, self.audience = secret, issuer, audience

    async def __call__(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
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
