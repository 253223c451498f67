"""Typical calls of the token library, read by the type checker only: `make check` fails when their types change."""

from datetime import timedelta
from typing import Any, assert_type

import msgspec

from admit import JWK, JWKSet, Waive, jwt

ISSUER, AUDIENCE = "https://id.example.com", "https://api.example.com"


class Claims(msgspec.Struct):
    """An own type for what a token says."""

    sub: str


key = assert_type(JWK.generate("ES256"), JWK)
token = jwt.sign({"sub": "alice"}, key, issuer=ISSUER, audience=AUDIENCE, lifetime=timedelta(minutes=5))
assert_type(token, str)
assert_type(jwt.verify(token, key.public(), issuer=ISSUER, audience=AUDIENCE), dict[str, Any])
assert_type(jwt.verify(token, JWKSet([key]), issuer=ISSUER, audience=Waive.AUDIENCE, into=Claims), Claims)
assert_type(jwt.decrypt(token, key, signed_by=key, issuer=ISSUER, audience=AUDIENCE), dict[str, Any])
assert_type(jwt.decrypt(token, key, issuer=ISSUER, audience=AUDIENCE, into=Claims), Claims)

# What must not type-check: each line fails the check as soon as it does ("unused ignore").
jwt.verify(token, key.public())  # type: ignore[call-overload]  # issuer and audience are never optional
jwt.verify(token, key, issuer=ISSUER, audience=None)  # type: ignore[call-overload]  # None does not waive
jwt.verify(token, key, issuer=ISSUER, audience=Waive.ISSUER)  # type: ignore[call-overload]  # another waiver
