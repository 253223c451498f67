"""The signed answer of introspection, RFC 9701 §5: what an issuer says of a token, in a JWT that is none itself."""

from collections.abc import Mapping
from typing import Any, Final

from admit.jose import JWK, json, jws
from admit.tokens import kinds

TYP: Final = "token-introspection+jwt"
MAX_SIZE: Final = 65_536
"""Octets of a signed answer. It stands in a body, so that it may be larger than a token."""


def claims(members: Mapping[str, Any], *, issuer: str, audience: str, iat: float) -> dict[str, Any]:
    """The claims to sign: what is said stands in one of its own, and there is neither `sub` nor `exp` beside it, so
    that no answer passes for a token.
    """
    return {"iss": issuer, "aud": audience, "iat": int(iat), "token_introspection": dict(members)}


def sign(members: Mapping[str, Any], key: JWK, *, issuer: str, audience: str, iat: float) -> str:
    """Sign an answer to `audience`, who asked. `iat` is in seconds since the epoch.

    Raises:
        InvalidKeyError: a status key, or one that may not sign.
        MalformedTokenError: beyond `MAX_SIZE`.
    """
    kinds.check_signing_key(key.kid, kinds.INTROSPECTION)
    payload = json.dumps_object(claims(members, issuer=issuer, audience=audience, iat=iat))
    return jws.sign(payload, key, typ=TYP, max_size=MAX_SIZE)
