"""The registered claims of a token, RFC 7519 §4.1: written with exact types, checked against a policy.

Pure: the time is an argument. `admit.jwt` is the front door that reads the clock; token kinds build on
this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from math import inf
from typing import Any, Literal, TypeAlias

from admit.errors import (
    AudienceError,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    IssuerError,
    NotYetValidError,
    TokenTypeError,
)
from admit.jose import json, jws
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet
from admit.jose.waive import Waive

DEFAULT_LEEWAY = timedelta(seconds=30)
MAX_LEEWAY = timedelta(seconds=60)
_TIMES = ("exp", "nbf", "iat")
_TEXTS = ("iss", "sub", "jti")
_END_OF_TIME = 2**63
_KEYWORDS = frozenset({"iss", "aud", "iat", "exp"})

Issuer: TypeAlias = str | Literal[Waive.ISSUER]
Audience: TypeAlias = str | frozenset[str] | Literal[Waive.AUDIENCE]
Typ: TypeAlias = str | frozenset[str] | Literal[Waive.TYP]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPolicy:
    """What a token must say. Every member that matters is required; a check is given up only by `Waive`.

    `audience` as a set: one of them must be named. `typ` is matched as a media type; `"JWT"` takes a token
    without `typ` too, since plain tokens and ID tokens often have none, every other value must be there
    (RFC 8725 §3.11).
    `exp` is always required unless waived. `leeway` is at most 60 s; `max_age` bounds the time since `iat`.

    Raises:
        ConfigError: an empty or wrongly typed member, or a leeway out of range.
    """

    issuer: Issuer
    audience: Audience
    typ: Typ = "JWT"
    leeway: timedelta = DEFAULT_LEEWAY
    max_age: timedelta | None = None
    require: frozenset[str] = frozenset()
    accept_expired: Literal[Waive.EXPIRY] | None = None
    audiences: frozenset[str] = field(init=False, repr=False)
    types: frozenset[str | None] = field(init=False, repr=False)
    leeway_s: float = field(init=False, repr=False)
    max_age_s: float | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.issuer is not Waive.ISSUER and not (isinstance(self.issuer, str) and self.issuer):
            raise ConfigError("issuer is a string that is not empty, or Waive.ISSUER")
        put(self, "audiences", _names("audience", self.audience, Waive.AUDIENCE))
        named = _names("typ", self.typ, Waive.TYP)
        folded = {fold_typ(name) for name in named}
        # As named and folded, so that the usual spelling is found at once; None where `typ` may be absent.
        put(self, "types", frozenset({*named, *folded, *({None} if "jwt" in folded else ())}))
        if not isinstance(self.leeway, timedelta) or not timedelta(0) <= self.leeway <= MAX_LEEWAY:
            raise ConfigError("leeway is a timedelta from 0 to 60 seconds")
        put(self, "leeway_s", self.leeway.total_seconds())
        if self.max_age is not None and not (
            isinstance(self.max_age, timedelta) and self.max_age > timedelta(0)
        ):
            raise ConfigError("max_age is a positive timedelta, or None")
        put(self, "max_age_s", None if self.max_age is None else self.max_age.total_seconds())
        if not isinstance(self.require, frozenset) or not all(isinstance(name, str) for name in self.require):
            raise ConfigError("require is a frozenset of claim names")
        if self.accept_expired not in (None, Waive.EXPIRY):
            raise ConfigError("accept_expired is Waive.EXPIRY or None")


def _names(what: str, value: object, waived: Waive) -> frozenset[str]:
    """A name or a set of names; the empty set stands for the named waiver only."""
    if value is waived:
        return frozenset()
    if isinstance(value, str) and value:
        return frozenset({value})
    if isinstance(value, frozenset) and value and all(isinstance(name, str) and name for name in value):
        return value
    raise ConfigError(f"{what} is a string, a frozenset of strings, or {waived}")


def verify(
    token: str | bytes | jws.UnverifiedJws, key: JWK | JWKSet, policy: ClaimPolicy, now: float
) -> dict[str, Any]:
    """Verify signature, kind and claims of a token, RFC 7519 §7.2. `now` is in seconds since the epoch.

    The kind and the form are checked before the signature, the claims after it.

    Raises:
        TokenError: one of its subclasses says which check failed.
        ConfigError: `now` is no time.
    """
    check_moment(now)
    if isinstance(token, jws.UnverifiedJws):
        members, payload, signing_input, signature = (
            token.header,
            token.payload_bytes,
            token.signing_input,
            token.signature,
        )
    else:
        members, payload, signing_input, signature = jws.split(token)
    chosen = jws.choose_key(members, key)
    check_typ(members.get("typ"), policy)
    jws.check_signature(chosen, signing_input, signature)
    jws.remember(members, signing_input)
    return verify_claims(payload, policy, now)


def verify_claims(payload: bytes, policy: ClaimPolicy, now: float) -> dict[str, Any]:
    """Check the claims in the payload of a verified token, RFC 7519 §4.1.

    Raises:
        MalformedTokenError: not one strict JSON object.
        ClaimError: a claim is missing, of the wrong type, or not what the policy asks; subclasses say which.
    """
    claims = json.loads_object(payload)
    if not plainly_fit(claims, policy, now):
        check_types(claims)
        check_issuer(claims, policy)
        check_audience(claims, policy)
        check_times(claims, policy, now)
    if policy.require:
        check_required(claims, policy)
    return claims


def plainly_fit(claims: Mapping[str, Any], policy: ClaimPolicy, now: float) -> bool:
    """One look at the token that nearly all are: whole seconds, one audience, nothing odd.

    True only where every rule below but `check_required` is met; False means that they are asked one by one, and say
    what is wrong.
    """
    get, leeway = claims.get, policy.leeway_s
    aud, exp = get("aud"), get("exp")
    return (
        get("iss") == policy.issuer
        and aud.__class__ is str
        and aud in policy.audiences
        and exp.__class__ is int
        and now - leeway < exp
        and (iat := get("iat", 0)).__class__ is int
        and 0 <= iat <= now + leeway
        and get("sub", "").__class__ is str
        and ("jti" not in claims or claims["jti"].__class__ is str)
        and "nbf" not in claims
        and policy.max_age_s is None
    )


def fold_typ(typ: str) -> str:
    """A media type as RFC 7515 §4.1.9 compares it: any case, `application/` may be left out."""
    if not typ.isascii():
        return typ
    folded = typ.lower()
    rest = folded.removeprefix("application/")
    return folded if "/" in rest else rest


def check_typ(typ: str | None, policy: ClaimPolicy) -> None:
    """The token is of a kind that is asked for, RFC 8725 §3.11.

    Raises:
        TokenTypeError: `typ` is another, or missing where it must be there.
    """
    wanted = policy.types
    if not wanted or typ in wanted:
        return
    if typ is None or fold_typ(typ) not in wanted:
        raise TokenTypeError("another kind of token")


def check_types(claims: Mapping[str, Any]) -> None:
    """Registered claims have their RFC's types; a number is finite, not negative and no bool.

    Raises:
        ClaimError: one has another type.
    """
    for name in _TEXTS:
        if name in claims and not isinstance(claims[name], str):
            if name == "iss":
                raise IssuerError(detail="iss is not a string")
            raise ClaimError(name, "not a string")
    for name in _TIMES:
        if name in claims and not is_numeric_date(claims[name]):
            raise ClaimError(name, "not a number of seconds")
    if "aud" in claims and not is_audience(claims["aud"]):
        raise AudienceError(detail="aud is no string and no list of strings")


def is_numeric_date(value: object) -> bool:
    """A NumericDate, RFC 7519 §2: a finite number; by our own rules not negative, and whole ones within 64 bits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < (inf if isinstance(value, float) else _END_OF_TIME)


def check_moment(now: object) -> None:
    """Refuse a clock that tells no time: beside what is not a number, everything is early and late at once.

    Raises:
        ConfigError: not a number of seconds since the epoch.
    """
    if not is_numeric_date(now):
        raise ConfigError("now is a time in seconds since the epoch")


def is_audience(value: object) -> bool:
    """A string, or a list of strings that is not empty, RFC 7519 §4.1.3."""
    if isinstance(value, str):
        return True
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def check_issuer(claims: Mapping[str, Any], policy: ClaimPolicy) -> None:
    """`iss` is exactly the one asked for, RFC 7519 §4.1.1."""
    if policy.issuer is not Waive.ISSUER and claims.get("iss") != policy.issuer:
        raise IssuerError(detail="iss is missing or another")


def check_audience(claims: Mapping[str, Any], policy: ClaimPolicy) -> None:
    """`aud` names us, letter by letter, RFC 7519 §4.1.3."""
    wanted = policy.audiences
    if not wanted:
        return
    aud = claims.get("aud")
    if not (aud in wanted if isinstance(aud, str) else aud is not None and not wanted.isdisjoint(aud)):
        raise AudienceError(detail="aud is missing or names others")


def check_times(claims: Mapping[str, Any], policy: ClaimPolicy, now: float) -> None:
    """`exp`, `nbf`, `iat` around `now`, with the policy's leeway, RFC 7519 §4.1.4 to §4.1.6.

    Raises:
        ExpiredTokenError: `exp` has passed, or more than `max_age` since `iat`.
        NotYetValidError: `nbf` or `iat` lies ahead.
        ClaimError: `exp`, or `iat` where `max_age` is asked, is missing.
    """
    leeway = policy.leeway_s
    exp, iat, nbf = claims.get("exp"), claims.get("iat"), claims.get("nbf")
    if policy.accept_expired is None:
        if exp is None:
            raise ClaimError("exp", "a required claim is missing")
        if not now < exp + leeway:  # this way round, a clock that is not a number refuses
            raise ExpiredTokenError(detail="the token expired")
    if nbf is not None and not nbf <= now + leeway:
        raise NotYetValidError(detail="nbf lies ahead")
    if iat is not None and not iat <= now + leeway:
        raise NotYetValidError("iat", "iat lies ahead")
    if policy.max_age_s is not None:
        if iat is None:
            raise ClaimError("iat", "a required claim is missing")
        if not now < iat + policy.max_age_s + leeway:
            raise ExpiredTokenError("iat", "the token is older than allowed")


def check_required(claims: Mapping[str, Any], policy: ClaimPolicy) -> None:
    """Claims that the policy asks for are there; null is not there."""
    for name in policy.require:
        if claims.get(name) is None:
            raise ClaimError(name, "a required claim is missing")


def encode(claims: Mapping[str, Any], key: JWK, *, typ: str | None) -> str:
    """Sign claims as they are, RFC 7519 §7.1. Registered claims must have their types.

    Raises:
        ClaimError: a claim that no verifier would take, or one that is not JSON.
        InvalidKeyError: the key may not sign.
        MalformedTokenError: the token would exceed 16 KiB.
    """
    check_types(claims)
    return jws.sign_encoded(jws.encoded_header(key, typ), payload(claims), key)


def encoded_size(claims: Mapping[str, Any], key: JWK, *, typ: str | None) -> int:
    """Octets of the token that `encode` would make, without signing it.

    Raises:
        ClaimError: as `encode`.
    """
    check_types(claims)
    return jws.size(len(payload(claims)), key, typ=typ)


def payload(claims: Mapping[str, Any]) -> bytes:
    """Claims as the octets that are signed.

    Raises:
        ClaimError: they are not JSON; it names the claim.
    """
    try:
        return json.dumps_object(claims)
    except ValueError:
        raise ClaimError(_unwritable(claims), "the claims are not strict JSON") from None


def _unwritable(claims: Mapping[str, Any]) -> str:
    """The first claim that no JSON says, such as a date or a set; empty where its name is no text."""
    for name, value in claims.items():
        try:
            json.dumps_object({name: value})
        except ValueError:
            return name if isinstance(name, str) else ""
    return ""


def sign_claims(
    claims: Mapping[str, Any],
    key: JWK,
    *,
    issuer: str,
    audience: str | frozenset[str],
    lifetime: timedelta,
    typ: str,
    now: float,
    jti: str | None = None,
) -> str:
    """Sign claims with `iss`, `aud`, `iat` and `exp` added, RFC 7519 §4.1.

    Raises:
        ClaimError, ConfigError: as `whole_claims`.
        InvalidKeyError: the key may not sign.
    """
    whole = whole_claims(
        claims, issuer=issuer, audience=audience, lifetime=lifetime, typ=typ, now=now, jti=jti
    )
    return jws.sign_encoded(jws.encoded_header(key, typ), payload(whole), key)


def whole_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audience: str | frozenset[str],
    lifetime: timedelta,
    typ: str,
    now: float,
    jti: str | None = None,
) -> dict[str, Any]:
    """Claims with `iss`, `aud`, `iat` and `exp` added, RFC 7519 §4.1. `iat` is `now` in whole seconds.

    Raises:
        ClaimError: `claims` repeats what a keyword says, or one would be taken by no verifier.
        ConfigError: an empty issuer, audience or typ; a lifetime below one second; a `now` that is no time.
    """
    if claims.__class__ is not dict and not isinstance(claims, Mapping):
        raise ClaimError("", "the claims are a mapping")
    if not _KEYWORDS.isdisjoint(claims) or (jti is not None and "jti" in claims):
        raise ClaimError(_first_repeated(claims), "repeats a keyword")
    try:
        aud, seconds = terms(issuer, audience, lifetime, typ)
    except TypeError:
        raise ConfigError(
            "issuer and typ are strings, audience is a string or a frozenset of strings"
        ) from None
    check_moment(now)
    iat = int(now)
    if iat + seconds >= _END_OF_TIME:
        raise ConfigError("now and lifetime reach beyond 64 bits")
    whole: dict[str, Any] = {"iss": issuer, **claims, "aud": aud, "iat": iat, "exp": iat + seconds}
    if aud.__class__ is tuple:
        whole["aud"] = list(aud)  # the caller's own
    if jti is not None:
        whole["jti"] = jti
    # What was added above has its type; of what came in, mostly `sub` alone is registered.
    if "nbf" in whole or "jti" in whole or whole.get("sub", "").__class__ is not str:
        check_types(whole)
    return whole


@lru_cache(maxsize=64)
def terms(
    issuer: str, audience: str | frozenset[str], lifetime: timedelta, typ: str
) -> tuple[str | tuple[str, ...], int]:
    """`aud` and the lifetime in seconds, of arguments checked once: a program has few of them, and tokens many."""
    if not (isinstance(issuer, str) and issuer):
        raise ConfigError("issuer is a string that is not empty")
    if not isinstance(lifetime, timedelta) or lifetime < timedelta(seconds=1):
        raise ConfigError("lifetime is a timedelta of at least one second")
    if not (isinstance(typ, str) and typ):
        raise ConfigError("typ is a string that is not empty")
    names = audience if isinstance(audience, str) and audience else _audiences(audience)
    return names, int(lifetime.total_seconds())


def _first_repeated(claims: Mapping[str, Any]) -> str:
    return next((name for name in ("iss", "aud", "exp", "iat") if name in claims), "jti")


def _audiences(audience: object) -> tuple[str, ...]:
    if isinstance(audience, frozenset) and audience and all(isinstance(one, str) and one for one in audience):
        return tuple(sorted(audience))
    raise ConfigError("audience is a string or a frozenset of strings, and not empty")
