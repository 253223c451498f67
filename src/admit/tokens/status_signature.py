"""How heads and status lists are signed: by status keys, which sign nothing else.

So a stolen token key cannot forge a head that hides its own revocation, and a process that only publishes
lists can never mint a token.
"""

from collections.abc import Mapping
from typing import Any

from admit.errors import IssuerError, TokenTypeError
from admit.jose import JWK, JWKSet, json, jws
from admit.jose import claims as jose_claims
from admit.tokens import kinds
from admit.tokens.kinds import Kind

MAX_SIZE = 524_288
"""Octets of a signed head or list: a list that nothing can compress is base64url twice over, 233 KB."""


def sign(claims: Mapping[str, Any], key: JWK, kind: Kind) -> str:
    """Sign a head or list.

    Raises:
        InvalidKeyError: `key` is no status key, or may not sign.
        MalformedTokenError: beyond `MAX_SIZE`.
    """
    kinds.check_signing_key(key.kid, kind)
    return jws.sign(json.dumps_object(claims), key, typ=kind.typ, max_size=MAX_SIZE)


def verify(token: str | bytes, keys: JWK | JWKSet, kind: Kind, *, issuer: str) -> dict[str, Any]:
    """The claims of a head or list that a status key of `issuer` signed. Reads no time and no clock.

    Raises:
        TokenError: one of its subclasses says which: form, key, signature, `typ`, `iss` or the set of claims.
    """
    unverified = jws.parse(token, max_size=MAX_SIZE)
    kinds.check_key(unverified.header.get("kid"), kind)
    if isinstance(keys, JWK):
        kinds.check_key(keys.kid, kind)  # with a single key the header's kid plays no part
    check_typ(unverified.header.get("typ"), kind)
    claims = json.loads_object(jws.verify(unverified, keys).payload, max_size=MAX_SIZE)
    check_issuer(claims.get("iss"), issuer)
    kinds.check_claims(claims, kind)
    return claims


def check_typ(named: str | None, kind: Kind) -> None:
    """Hold the header's `typ`, RFC 8725 §3.11.

    Raises:
        TokenTypeError: missing, or another.
    """
    if named is None or jose_claims.fold_typ(named) != kind.typ:
        raise TokenTypeError("another kind of token")


def check_issuer(named: object, issuer: str) -> None:
    """Hold `iss`, letter by letter, RFC 7519 §4.1.1.

    Raises:
        IssuerError: missing, or another.
    """
    if not isinstance(named, str) or named != issuer:
        raise IssuerError(detail="iss is missing or another")
