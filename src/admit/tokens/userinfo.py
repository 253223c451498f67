"""The signed answer of `/userinfo`, OpenID Connect Core §5.3.2: claims about a person for one client."""

from collections.abc import Mapping
from typing import Any

from admit.errors import ClaimError
from admit.jose import JWK, json, jws
from admit.tokens import kinds

TYP = "JWT"
MAX_SIZE = 65_536
"""Octets of a signed answer. It stands in a body, so that it may be larger than a token."""


def sign(members: Mapping[str, Any], key: JWK, *, issuer: str, audience: str) -> str:
    """Sign what `members` say, for the client `audience`.

    Raises:
        ClaimError: `sub` is missing, or a claim is there that would make another kind of token of it.
        InvalidKeyError: a status key, or one that may not sign.
        MalformedTokenError: beyond `MAX_SIZE`.
    """
    kinds.check_signing_key(key.kid, kinds.USERINFO)
    if "iss" in members or "aud" in members:
        raise ClaimError("iss", "a claim about the person is one that the answer has of its own")
    claims = {"iss": issuer, "aud": audience, **members}
    kinds.check_claims(claims, kinds.USERINFO)
    return jws.sign(json.dumps_object(claims), key, typ=TYP, max_size=MAX_SIZE)
