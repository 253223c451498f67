"""The ID token, OpenID Connect Core §2: what a client learns of a sign-in. It is no credential for an API."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

from admit.errors import AudienceError, ClaimError, MalformedTokenError
from admit.jose import JWK, JWKSet, base64url, peek_unverified_header
from admit.jose import claims as jose_claims
from admit.jose.waive import Waive
from admit.tokens import carried, kinds, members, size

TYP = "JWT"
LEEWAY = timedelta(seconds=30)

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_OWN = frozenset(
    {
        "iss", "sub", "aud", "azp", "iat", "exp", "auth_time", "acr", "amr", "sid", "nonce", "at_hash", "c_hash",
        "jti",
    }
)  # fmt: skip
RESERVED = _OWN | kinds.IDENTITY.refuse
"""Claims that a token says of itself, or that make another kind of it: `claims` repeats none of them."""

_HASHES: Mapping[str, str] = MappingProxyType(
    {
        "HS256": "sha256", "HS384": "sha384", "HS512": "sha512",
        "RS256": "sha256", "RS384": "sha384", "RS512": "sha512",
        "PS256": "sha256", "PS384": "sha384", "PS512": "sha512",
        "ES256": "sha256", "ES384": "sha384", "ES512": "sha512",
        "EdDSA": "sha512", "Ed25519": "sha512",
    }
)  # fmt: skip
"""The hash behind `at_hash` and `c_hash` by the ID token's `alg`, OpenID Connect Core §3.1.3.6; Ed25519 uses SHA-512
inside.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdToken:
    """What one ID token says. `audience` is the client's id; times are seconds since the epoch.

    `claims` are the profile claims asked for (name, email …), OpenID Connect Core §5.1.
    """

    issuer: str
    subject: str
    audience: str
    iat: float
    exp: float
    auth_time: float | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    session_id: str | None = None
    nonce: str | None = None
    at_hash: str | None = None
    c_hash: str | None = None
    azp: str | None = None
    jti: str | None = None
    claims: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)


def at_hash(access_token: str, alg: str) -> str:
    """The left half of the access token's hash, OpenID Connect Core §3.1.3.6. `alg` is the ID token's.

    Raises:
        ClaimError: no hash is known for the algorithm, or the access token is not ASCII, as no token is.
    """
    if not isinstance(access_token, str) or not access_token.isascii():
        raise ClaimError("at_hash", "the access token is not ASCII")
    return _left_half("at_hash", access_token, alg)


def c_hash(code: str, alg: str) -> str:
    """The left half of the authorization code's hash, OpenID Connect Core §3.3.2.11. `alg` is the ID token's.

    Raises:
        ClaimError: no hash is known for the algorithm, or the code is not ASCII, as no code is (RFC 6749 §A.11).
    """
    if not isinstance(code, str) or not code.isascii():
        raise ClaimError("c_hash", "the code is not ASCII")
    return _left_half("c_hash", code, alg)


def _left_half(claim: str, text: str, alg: str) -> str:
    if alg not in _HASHES:
        raise ClaimError(claim, "no hash belongs to this alg")
    digest = hashlib.new(_HASHES[alg], text.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2]).decode("ascii")


def claims(token: IdToken) -> dict[str, Any]:
    """The claims to sign.

    Raises:
        ClaimError: the lifetime is not positive, a name is empty, or a profile claim repeats one of the token's own.
    """
    if not token.exp > token.iat:
        raise ClaimError("exp", "the lifetime is not positive")
    for name, value in (("iss", token.issuer), ("sub", token.subject), ("aud", token.audience)):
        if not value:
            raise ClaimError(name, f"{name} is empty")
    repeated = (_OWN | kinds.IDENTITY.refuse).intersection(token.claims)
    if repeated:
        raise ClaimError(min(repeated), "a profile claim is one that the token has of its own")
    optional: dict[str, Any] = {
        "azp": token.azp,
        "auth_time": None if token.auth_time is None else int(token.auth_time),
        "acr": token.acr,
        "amr": list(token.amr) or None,
        "sid": token.session_id,
        "nonce": token.nonce,
        "at_hash": token.at_hash,
        "c_hash": token.c_hash,
        "jti": token.jti,
    }
    return {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": token.audience,
        "iat": int(token.iat),
        "exp": int(token.exp),
        **{name: value for name, value in optional.items() if value is not None},
        **token.claims,
    }


def fits(token: IdToken, key: JWK) -> bool:
    """Whether `sign` would sign it: it is within the budget of 3,072 octets.

    Raises:
        ClaimError: as `claims`.
    """
    return size.fits(claims(token), key, typ=TYP)


def sign(token: IdToken, key: JWK) -> str:
    """Sign an ID token, `typ` `JWT`, OpenID Connect Core §3.1.3.7.

    Raises:
        TokenTooLargeError: over 3,072 octets; fewer profile claims are needed (userinfo has them all).
        ClaimError: as `claims`.
        InvalidKeyError: a status key, or one that may not sign.
    """
    kinds.check_signing_key(key.kid, kinds.IDENTITY)
    payload = claims(token)
    return size.sign_within(payload, key, typ=TYP)


def verify(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    issuer: str,
    audience: str,
    nonce: str | None,
    now: float,
    leeway: timedelta = LEEWAY,
    access_token: str | None = None,
) -> IdToken:
    """Verify an ID token as the client `audience`, OpenID Connect Core §3.1.3.7.

    `nonce` is what the request sent; None says that it sent none, and then the token may carry none. With
    `access_token` the token must carry its `at_hash`.

    Raises:
        TokenError: a subclass for each rule.
        ConfigError: an argument that cannot work, such as an empty audience.
    """
    token = _text(token)
    found = _verified(
        token, key, issuer=issuer, audience=audience, now=now, leeway=leeway, accept_expired=None
    )
    result = read(found)
    check_party(found, audience)
    check_nonce(result.nonce, nonce)
    if access_token is not None:
        check_at_hash(result.at_hash, access_token, peek_unverified_header(token)["alg"])
    return result


def verify_hint(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    issuer: str,
    audience: str | frozenset[str] | Literal[Waive.AUDIENCE],
    now: float,
    expired_ok: Literal[Waive.EXPIRY] | None = None,
    leeway: timedelta = LEEWAY,
) -> IdToken:
    """Verify an `id_token_hint`, OpenID Connect Core §3.1.2.1 and RP-Initiated Logout §2.

    The issuer reads its own token back: no nonce is known, and with `expired_ok=Waive.EXPIRY` it may have expired. It
    hints at who is meant and proves nothing about who sends it.

    Raises:
        TokenError: a subclass for each rule.
        ConfigError: an argument that cannot work, such as an empty audience.
    """
    return read(
        _verified(
            _text(token),
            key,
            issuer=issuer,
            audience=audience,
            now=now,
            leeway=leeway,
            accept_expired=expired_ok,
        )
    )


def _text(token: str | bytes) -> str:
    text = carried.as_text(token)
    if not isinstance(text, str):
        raise MalformedTokenError("an ID token is text")
    return text


def _verified(
    token: str,
    key: JWK | JWKSet,
    *,
    issuer: str,
    audience: str | frozenset[str] | Literal[Waive.AUDIENCE],
    now: float,
    leeway: timedelta,
    accept_expired: Literal[Waive.EXPIRY] | None,
) -> Mapping[str, Any]:
    policy = jose_claims.ClaimPolicy(
        issuer=issuer,
        audience=audience,
        typ=TYP,
        leeway=leeway,
        require=kinds.IDENTITY.require,
        accept_expired=accept_expired,
    )
    found = jose_claims.verify(token, key, policy, now)
    kinds.check_verified_by(key, token, kinds.IDENTITY)
    return found


def read(payload: Mapping[str, Any]) -> IdToken:
    """The ID token of claims whose signature, issuer, audience and times were verified.

    Raises:
        ClaimError: a claim is missing or has another type.
        TokenTypeError: they are the claims of another kind of token.
    """
    kinds.check_claims(payload, kinds.IDENTITY)
    audiences = members.audience(payload)
    azp = members.optional_text(payload, "azp")
    if len(audiences) > 1 and azp is None:
        raise AudienceError("azp", "several audiences and no azp")
    return IdToken(
        issuer=members.text(payload, "iss"),
        subject=members.text(payload, "sub"),
        audience=azp if azp is not None and len(audiences) > 1 else min(audiences),
        iat=members.instant(payload, "iat"),
        exp=members.instant(payload, "exp"),
        auth_time=members.instant(payload, "auth_time") if "auth_time" in payload else None,
        acr=members.optional_text(payload, "acr"),
        amr=members.ordered_names(payload, "amr"),
        session_id=members.optional_text(payload, "sid"),
        nonce=members.optional_text(payload, "nonce"),
        at_hash=members.optional_text(payload, "at_hash"),
        c_hash=members.optional_text(payload, "c_hash"),
        azp=azp,
        jti=members.optional_text(payload, "jti"),
        claims=MappingProxyType({name: value for name, value in payload.items() if name not in _OWN}),
    )


def check_party(payload: Mapping[str, Any], client_id: str) -> None:
    """The authorized party, if the token names one, is this client, OpenID Connect Core §3.1.3.7.

    Raises:
        AudienceError: it is another.
    """
    if "azp" in payload and payload["azp"] != client_id:
        raise AudienceError("azp", "azp is another client")


def check_nonce(found: str | None, sent: str | None) -> None:
    """The token's `nonce` is the one sent, and there is none if none was sent, OpenID Connect Core §3.1.3.7.

    Raises:
        ClaimError: they differ.
    """
    if found is None and sent is None:
        return
    if found is None or sent is None or not hmac.compare_digest(found.encode(), sent.encode()):
        raise ClaimError("nonce", "nonce is not the one sent")


def check_at_hash(found: str | None, access_token: str, alg: str) -> None:
    """The ID token was issued with this access token, OpenID Connect Core §3.1.3.8.

    Raises:
        ClaimError: `at_hash` is missing or another.
    """
    if found is None or not hmac.compare_digest(found.encode(), at_hash(access_token, alg).encode()):
        raise ClaimError("at_hash", "at_hash is not that of the access token")


def check_c_hash(found: str | None, code: str, alg: str) -> None:
    """The ID token was issued for this code, OpenID Connect Core §3.3.2.10.

    Raises:
        ClaimError: `c_hash` is missing or another.
    """
    if found is None or not hmac.compare_digest(found.encode(), c_hash(code, alg).encode()):
        raise ClaimError("c_hash", "c_hash is not that of the code")
