"""The hot path: the token that nearly all are, verified or signed in one go. `admit.jwt` takes every token here.

`verify` only ever says yes, to what `claims.verify` would say yes to: text in three parts under a header that was read
and held before, canonical base64url, JSON in its one compact spelling, whole seconds, one audience. Whatever one look
does not settle goes to `claims.verify` whole, or to `claims.verify_claims` once the signature holds; these have the
rules one by one and say what is wrong. `sign` likewise writes what `claims.sign_claims` would write, octet by octet.
Calls cost more here than work does, so little is called.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec import MsgspecError

from admit.jose import claims as rules
from admit.jose import jws
from admit.jose.base64url import LAST, TO_STANDARD, TO_URL
from admit.jose.claims import ClaimPolicy
from admit.jose.json import decode_flat, encode
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet

_LATEST = 1e15  # some way below 64 bits, whatever the lifetime


def verify(token: str | bytes, key: JWK | JWKSet, policy: ClaimPolicy, now: float) -> dict[str, Any]:
    """As `claims.verify`, of which this is the short way.

    Raises:
        TokenError: one of its subclasses says which check failed.
    """
    if token.__class__ is not str or len(token) > jws.MAX_TOKEN:
        return rules.verify(token, key, policy, now)
    try:
        data, _, tail = token.encode().rpartition(b".")
        head, _, body = data.partition(b".")
        members = jws.known[head]
        body, tail = body.translate(TO_STANDARD), tail.translate(TO_STANDARD)
        # More padding than is needed does no harm. Where a character is foreign (a dot in `body` too) the decoder
        # steps over it, and the result is too short.
        payload, signature = a2b_base64(body + b"=="), a2b_base64(tail + b"==")
        size, rest = len(body), len(tail)
        canonical = (
            len(payload) == size * 3 >> 2
            and len(signature) == rest * 3 >> 2
            and body[-1] in LAST[size & 3]
            and tail[-1] in LAST[rest & 3]
        )
    except (ValueError, LookupError):
        canonical = False
    if not canonical:
        return rules.verify(token, key, policy, now)
    chosen = key if key.__class__ is JWK and members["alg"] == key.alg else jws.choose_key(members, key)
    if members.get("typ") not in policy.types:
        rules.check_typ(members.get("typ"), policy)
    jws.check_signature(chosen, data, signature)
    try:
        claims = decode_flat(payload)
        compact = encode(claims) == payload  # so no member is there twice
    except (MsgspecError, ValueError, RecursionError):
        compact = False
    if not compact:
        return rules.verify_claims(payload, policy, now)
    get, leeway = claims.get, policy.leeway_s  # what follows is `claims.plainly_fit`, without the call
    aud, exp, iat = get("aud"), get("exp"), get("iat", 0)
    if (
        get("iss") == policy.issuer
        and aud.__class__ is str
        and aud in policy.audiences
        and exp.__class__ is int
        and now - leeway < exp
        and iat.__class__ is int
        and 0 <= iat <= now + leeway
        and get("sub", "").__class__ is str
        and ("jti" not in claims or claims["jti"].__class__ is str)
        and "nbf" not in claims
        and policy.max_age_s is None
        and not policy.require
    ):
        return claims
    return rules.verify_claims(payload, policy, now)


def sign(
    claims: Mapping[str, Any],
    key: JWK,
    issuer: str,
    audience: str | frozenset[str],
    lifetime: timedelta,
    typ: str,
    jti: str | None,
    now: float,
) -> str:
    """As `claims.sign_claims`, of which this is the short way for claims that are text.

    Raises:
        ClaimError, ConfigError, InvalidKeyError, MalformedTokenError: as `claims.sign_claims`.
    """
    try:
        signer, head = key.signer, key._headers[typ]
        usual = claims.__class__ is dict and now.__class__ is float and 0 <= now < _LATEST
        if usual and signer is not None and jti is None:
            aud, seconds = rules.terms(issuer, audience, lifetime, typ)
            iat = int(now)
            whole: dict[str, Any] = {"iss": issuer, **claims}
            whole["aud"], whole["iat"], whole["exp"] = aud, iat, iat + seconds
            plain = len(whole) == len(claims) + 4 and "nbf" not in claims
            for name, value in claims.items():
                if value.__class__ is not str or name.__class__ is not str:
                    plain = False
                    break
            if plain:
                body = b2a_base64(encode(whole)).rstrip(b"=\n").translate(TO_URL)
                data = head + b"." + body
                token = data + b"." + b2a_base64(signer(data)).rstrip(b"=\n").translate(TO_URL)
                if len(token) <= jws.MAX_TOKEN:
                    return token.decode()
    except (LookupError, TypeError, ValueError, AttributeError):
        pass  # said below, by the rule that it breaks
    return rules.sign_claims(
        claims, key, issuer=issuer, audience=audience, lifetime=lifetime, typ=typ, now=now, jti=jti
    )
