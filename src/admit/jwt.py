"""JSON Web Tokens, RFC 7519: `sign` and `verify`; `encrypt` and `decrypt` for those that nobody else may read.

    key = JWK.generate("ES256")
    token = jwt.sign({"sub": "alice"}, key, issuer=ISS, audience=API, lifetime=timedelta(minutes=5))
    claims = jwt.verify(token, key.public(), issuer=ISS, audience=API)

The key has the algorithm; there is no list of algorithms to get wrong. Issuer and audience are always named.
"""

import re
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, TypeVar, overload

import msgspec

from admit.errors import ClaimError, ConfigError
from admit.jose import hot
from admit.jose.claims import (
    DEFAULT_LEEWAY,
    Audience,
    ClaimPolicy,
    Issuer,
    Typ,
    check_moment,
    payload,
    whole_claims,
)
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet
from admit.jose.jws import peek_unverified_claims, peek_unverified_header
from admit.jose.waive import Waive

__all__ = ["decrypt", "encrypt", "peek_unverified_claims", "peek_unverified_header", "sign", "verify"]

_Own = TypeVar("_Own")


def sign(
    claims: Mapping[str, Any],
    key: JWK,
    *,
    issuer: str,
    audience: str | frozenset[str],
    lifetime: timedelta,
    typ: str = "JWT",
    jti: str | None = None,
    now: float | None = None,
) -> str:
    """Sign a token that lives for `lifetime`, RFC 7519 §7.1, with `iss`, `aud`, `iat` and `exp` added.

    `now` is in seconds since the epoch and defaults to the clock. The header has the key's `alg` and `kid`,
    and `typ`.

    Raises:
        ClaimError: `claims` repeats what a keyword says, or has a value that is not JSON.
        ConfigError: issuer, audience or typ is empty, lifetime is below one second, or `now` is no time.
        InvalidKeyError: the key is public, or its `key_ops` do not let it sign.
        MalformedTokenError: the token would exceed 16 KiB.
    """
    return hot.sign(claims, key, issuer, audience, lifetime, typ, jti, time.time() if now is None else now)


@overload
def verify(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    issuer: Issuer,
    audience: Audience,
    typ: Typ = ...,
    leeway: timedelta = ...,
    max_age: timedelta | None = ...,
    require: frozenset[str] = ...,
    accept_expired: Literal[Waive.EXPIRY] | None = ...,
    into: None = None,
    now: float | None = ...,
) -> dict[str, Any]: ...


@overload
def verify(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    issuer: Issuer,
    audience: Audience,
    typ: Typ = ...,
    leeway: timedelta = ...,
    max_age: timedelta | None = ...,
    require: frozenset[str] = ...,
    accept_expired: Literal[Waive.EXPIRY] | None = ...,
    into: type[_Own],
    now: float | None = ...,
) -> _Own: ...


def verify(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    issuer: Issuer,
    audience: Audience,
    typ: Typ = "JWT",
    leeway: timedelta = DEFAULT_LEEWAY,
    max_age: timedelta | None = None,
    require: frozenset[str] = frozenset(),
    accept_expired: Literal[Waive.EXPIRY] | None = None,
    into: type[_Own] | None = None,
    now: float | None = None,
) -> dict[str, Any] | _Own:
    """Verify a token's form, kind, signature and claims, RFC 7519 §7.2, and return its claims.

    `audience` as a frozenset: one of them must be named. `typ="JWT"` takes a token without `typ` too; any
    other kind must say so. `leeway` is at most 60 s. `max_age` bounds the time since `iat`. `into` is a class
    (a dataclass, `TypedDict` or `msgspec.Struct`) that the claims are read into, its types held strictly.
    `now` is in seconds since the epoch and defaults to the clock. A check is given up by `Waive` only:
    `issuer=Waive.ISSUER`, `audience=Waive.AUDIENCE`, `typ=Waive.TYP`, `accept_expired=Waive.EXPIRY`.

    Raises:
        TokenError: its subclasses say which check failed.
        ConfigError: an argument that cannot work, such as an empty audience, a `now` that is no time, or an `into`
            that is no type.
        InvalidKeyError: the key may not verify.
    """
    try:
        policy = _policy(issuer, audience, typ, leeway, max_age, require, accept_expired)
    except TypeError:
        raise ConfigError("sets of names are frozensets") from None
    claims = hot.verify(token, key, policy, time.time() if now is None else _moment(now))
    return claims if into is None else _convert(claims, into)


def encrypt(
    claims: Mapping[str, Any],
    key: JWK,
    *,
    signed_with: JWK | None = None,
    issuer: str,
    audience: str | frozenset[str],
    lifetime: timedelta,
    enc: str = "A256GCM",
    typ: str = "JWT",
    jti: str | None = None,
    now: float | None = None,
) -> str:
    """A token that only the holder of `key` can read, RFC 7519 §7.1: signed by `signed_with`, then encrypted.

    Without `signed_with` nothing but the encryption tells who wrote it, so the key must be a shared one. Both layers
    say `typ`. The claims added are those of `sign`.

    Raises:
        ConfigError: no `signed_with`, and a key that everyone may encrypt with; else as `sign`.
        ClaimError, InvalidKeyError, MalformedTokenError: as `sign`.
    """
    from admit.jose import encrypted_claims  # few programs encrypt, and ciphers take a while to load

    def made(signer: JWK) -> str:
        return sign(
            claims, signer, issuer=issuer, audience=audience, lifetime=lifetime, typ=typ, jti=jti, now=now
        )

    if signed_with is not None:
        return encrypted_claims.encrypt(made(signed_with), key, enc=enc, typ=typ)
    whole = whole_claims(
        claims, issuer=issuer, audience=audience, lifetime=lifetime, typ=typ, jti=jti,
        now=time.time() if now is None else now,
    )  # fmt: skip
    return encrypted_claims.encrypt_bare(payload(whole), key, enc=enc, typ=typ)


@overload
def decrypt(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    signed_by: JWK | JWKSet | None = ...,
    issuer: Issuer,
    audience: Audience,
    typ: Typ = ...,
    leeway: timedelta = ...,
    max_age: timedelta | None = ...,
    require: frozenset[str] = ...,
    accept_expired: Literal[Waive.EXPIRY] | None = ...,
    into: None = None,
    now: float | None = ...,
) -> dict[str, Any]: ...


@overload
def decrypt(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    signed_by: JWK | JWKSet | None = ...,
    issuer: Issuer,
    audience: Audience,
    typ: Typ = ...,
    leeway: timedelta = ...,
    max_age: timedelta | None = ...,
    require: frozenset[str] = ...,
    accept_expired: Literal[Waive.EXPIRY] | None = ...,
    into: type[_Own],
    now: float | None = ...,
) -> _Own: ...


def decrypt(
    token: str | bytes,
    key: JWK | JWKSet,
    *,
    signed_by: JWK | JWKSet | None = None,
    issuer: Issuer,
    audience: Audience,
    typ: Typ = "JWT",
    leeway: timedelta = DEFAULT_LEEWAY,
    max_age: timedelta | None = None,
    require: frozenset[str] = frozenset(),
    accept_expired: Literal[Waive.EXPIRY] | None = None,
    into: type[_Own] | None = None,
    now: float | None = None,
) -> dict[str, Any] | _Own:
    """Decrypt a token, verify the signature inside by `signed_by`, and check its claims, RFC 7519 §7.2.

    Claims and keywords are those of `verify`. Without `signed_by` the key must be a shared one, and the claims
    stand inside as they are.

    Raises:
        TokenError: its subclasses say which check failed; whatever fails in decrypting is one DecryptionError.
        ConfigError: no `signed_by` for a key that everyone may encrypt with; else as `verify`.
        InvalidKeyError: a key may not decrypt, or not verify.
    """
    from admit.jose import encrypted_claims

    try:
        policy = _policy(issuer, audience, typ, leeway, max_age, require, accept_expired)
    except TypeError:
        raise ConfigError("sets of names are frozensets") from None
    claims = encrypted_claims.decrypt(
        token, key, signed_by, policy, time.time() if now is None else _moment(now)
    )
    return claims if into is None else _convert(claims, into)


def _moment(now: float) -> float:
    check_moment(now)
    return now


def _convert(claims: dict[str, Any], into: type[_Own]) -> _Own:
    name: str | None = None
    try:
        return msgspec.convert(claims, type=into)
    except (msgspec.MsgspecError, ValueError) as error:
        name = _named(str(error), claims)
    except (TypeError, NameError):
        pass
    # Said here, without the converter's error as context: of an enumeration it says the value.
    if name is None:
        raise ConfigError("into is no type that claims can be read into")
    raise ClaimError(name, "the claims do not fit the type asked for")


_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_PLACE = re.compile(r" - at `\$\.([^`]+)`")


def _named(said: str, claims: Mapping[str, Any]) -> str:
    """The claim that does not fit, of what the converter says; empty where it names none."""
    missing = _MISSING.fullmatch(said)
    if missing:
        return missing[1]  # a name of the type's own
    place = _PLACE.search(said)
    path = f"{place[1]}." if place else ""
    return max((name for name in claims if path.startswith((f"{name}.", f"{name}["))), key=len, default="")


@lru_cache(maxsize=64)
def _policy(
    issuer: Issuer,
    audience: Audience,
    typ: Typ,
    leeway: timedelta,
    max_age: timedelta | None,
    require: frozenset[str],
    accept_expired: Literal[Waive.EXPIRY] | None,
) -> ClaimPolicy:
    """The policy of these arguments, checked once: a program has few of them, and tokens many."""
    return ClaimPolicy(
        issuer=issuer,
        audience=audience,
        typ=typ,
        leeway=leeway,
        max_age=max_age,
        require=require,
        accept_expired=accept_expired,
    )
