"""The access token, RFC 9068: what the issuer mints and the verifier reads, from this one file.

Its life is minutes, its audience one resource, and it says who, for which client, with which scopes and roles; `status`
points at the bit that ends it early (Token Status List).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from admit.errors import ClaimError, ConfigError, IssuerError
from admit.jose import JWK, JWKSet, jws
from admit.jose import claims as jose_claims
from admit.jose.waive import Waive
from admit.principal import ByReference, CredentialKind, Principal
from admit.tokens import carried, kinds, members, size
from admit.tokens import scope as scopes

TYP = "at+jwt"
LEEWAY = timedelta(seconds=30)

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NO_NAMES: frozenset[str] = frozenset()
_MAX_ENDPOINT = 2_048
_URL = re.compile(r"(https?)://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!-\"$-~]*)?")
_OWN = frozenset(
    {
        "iss", "sub", "aud", "client_id", "scope", "roles", "groups", "entitlements", "sid", "jti", "iat", "exp",
        "auth_time", "acr", "amr", "status", "act", "cnf", "_claim_names", "_claim_sources",
    }
)  # fmt: skip

RESERVED = _OWN
"""Claims that a token says of itself, so that `extra` repeats none of them."""


@dataclass(frozen=True, slots=True)
class StatusClaim:
    """Where the token's family stands in a status list, Token Status List §6.1. `uri` is a name, never fetched."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What one access token says, RFC 9068 §2.2. Times are seconds since the epoch.

    `audience` is one resource, or several where the client also asked for userinfo. `session_id` is the public id of
    the session or grant (`sid`). `confirmation` is the key it is bound to (`cnf`, RFC 7800 §3.1). `extra` are further
    claims. `payload` is there after `verify`: all the claims as they stood in the token.
    """

    issuer: str
    subject: str
    audience: str | frozenset[str]
    client_id: str
    iat: float
    exp: float
    jti: str
    scope: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] | ByReference = frozenset()
    entitlements: frozenset[str] = frozenset()
    session_id: str | None = None
    auth_time: float | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    status: StatusClaim | None = None
    actor: Mapping[str, Any] | None = None
    confirmation: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)
    payload: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def audiences(self) -> frozenset[str]:
        """`audience` as a set, whichever way it is held."""
        return frozenset((self.audience,)) if isinstance(self.audience, str) else self.audience


def claims(token: AccessToken) -> dict[str, Any]:
    """The claims to sign, in one order; sets are sorted, so that equal tokens have equal bytes.

    Raises:
        ClaimError: a value that `read` would refuse, or `extra` repeats a claim.
    """
    _check_mintable(token)
    audiences = sorted(token.audiences)
    members_: dict[str, Any] = {
        "iss": token.issuer,
        "sub": token.subject,
        "aud": audiences[0] if len(audiences) == 1 else audiences,
        "client_id": token.client_id,
        "iat": int(token.iat),
        "exp": int(token.exp),
        "jti": token.jti,
    }
    if token.scope:
        members_["scope"] = scopes.write(token.scope)
    for name, values in (("roles", token.roles), ("entitlements", token.entitlements)):
        if values:
            members_[name] = sorted(values)
    if token.session_id is not None:
        members_["sid"] = token.session_id
    if token.auth_time is not None:
        members_["auth_time"] = int(token.auth_time)
    if token.acr is not None:
        members_["acr"] = token.acr
    if token.amr:
        members_["amr"] = list(token.amr)
    if token.status is not None:
        members_["status"] = {"status_list": {"idx": token.status.idx, "uri": token.status.uri}}
    if token.actor is not None:
        members_["act"] = dict(token.actor)
    if token.confirmation is not None:
        members_["cnf"] = dict(token.confirmation)
    members_.update(token.extra)
    if isinstance(token.groups, ByReference):
        check_endpoint(token.groups.endpoint, token.issuer)
        return size.without_groups(members_, token.groups.endpoint)
    if token.groups:
        members_["groups"] = sorted(token.groups)
    return members_


def _check_mintable(token: AccessToken) -> None:
    if not token.exp > token.iat:
        raise ClaimError("exp", "the lifetime is not positive")
    for name, value in (
        ("iss", token.issuer),
        ("sub", token.subject),
        ("client_id", token.client_id),
        ("jti", token.jti),
    ):
        if not value:
            raise ClaimError(name, f"{name} is empty")
    if not token.audiences or "" in token.audiences:
        raise ClaimError("aud", "aud is empty")
    repeated = _OWN.intersection(token.extra)
    if repeated or not kinds.ACCESS.refuse.isdisjoint(token.extra):
        raise ClaimError(
            min(repeated, default="extra"), "an extra claim is one that the token has of its own"
        )


def sign(token: AccessToken, key: JWK, *, groups_endpoint: str | None = None) -> str:
    """Sign an access token with `typ` `at+jwt`, RFC 9068 §2.1.

    The size is known first: over 3,072 octets the groups become a reference to `groups_endpoint` (None: the issuer's
    userinfo endpoint); what is still over budget is not signed.

    Raises:
        TokenTooLargeError: over budget even without groups.
        ClaimError: a value that no verifier would take.
        InvalidKeyError: a status key, or one that may not sign.
    """
    kinds.check_signing_key(key.kid, kinds.ACCESS)
    return size.sign_within(_reduced(token, key, groups_endpoint), key, typ=TYP)


def fits(token: AccessToken, key: JWK, *, groups_endpoint: str | None = None) -> bool:
    """Whether `sign` would sign it: it is within the budget of 3,072 octets, if need be with groups by reference.

    Raises:
        ClaimError: as `sign`.
    """
    return size.fits(_reduced(token, key, groups_endpoint), key, typ=TYP)


def _reduced(token: AccessToken, key: JWK, groups_endpoint: str | None) -> dict[str, Any]:
    payload = claims(token)
    if "groups" in payload and not size.fits(payload, key, typ=TYP):
        endpoint = groups_endpoint if groups_endpoint is not None else token.issuer.rstrip("/") + "/userinfo"
        check_endpoint(endpoint, token.issuer)
        payload = size.without_groups(payload, endpoint)
    return payload


@lru_cache(maxsize=256)
def policy(
    issuer: str, audience: str | frozenset[str] | Literal[Waive.AUDIENCE], leeway: timedelta = LEEWAY
) -> jose_claims.ClaimPolicy:
    """What every access token of this issuer must say, prepared once, RFC 9068 §4."""
    return jose_claims.ClaimPolicy(
        issuer=issuer, audience=audience, typ=TYP, leeway=leeway, require=kinds.ACCESS.require
    )


def verify(
    token: str | bytes | jws.UnverifiedJws,
    key: JWK | JWKSet,
    *,
    issuer: str,
    audience: str | frozenset[str] | Literal[Waive.AUDIENCE],
    now: float,
    leeway: timedelta = LEEWAY,
) -> AccessToken:
    """Verify an access token, RFC 9068 §4. `now` is seconds since the epoch; `leeway` at most 60 s.

    Not checked here: revocation, and the key a bound token is bound to (`confirmation`); the verifier does both.

    Raises:
        TokenError: a subclass for each rule.
        ConfigError: an argument that cannot work, such as an empty audience.
    """
    token = carried.as_text(token)
    try:
        wanted = policy(issuer, audience, leeway)
    except TypeError:
        raise ConfigError("sets of names are frozensets") from None
    found = jose_claims.verify(token, key, wanted, now)
    kinds.check_verified_by(key, token, kinds.ACCESS)
    return read(found)


def read(payload: Mapping[str, Any]) -> AccessToken:
    """The access token of claims whose signature, issuer, audience and times were verified.

    Raises:
        ClaimError: a claim of this kind is missing or has another type.
        TokenTypeError: they are the claims of another kind of token.
    """
    kinds.check_claims(payload, kinds.ACCESS)
    has = payload.keys()
    aud = payload["aud"]
    return AccessToken(
        issuer=members.text(payload, "iss"),
        subject=members.text(payload, "sub"),
        audience=aud if isinstance(aud, str) and aud else _one_or_all(members.audience(payload)),
        client_id=members.text(payload, "client_id"),
        iat=members.instant(payload, "iat"),
        exp=members.instant(payload, "exp"),
        jti=members.text(payload, "jti"),
        scope=scopes.read(payload),
        roles=members.names(payload, "roles") if "roles" in has else _NO_NAMES,
        groups=read_groups(payload) if "groups" in has or "_claim_names" in has else _NO_NAMES,
        entitlements=members.names(payload, "entitlements") if "entitlements" in has else _NO_NAMES,
        session_id=members.optional_text(payload, "sid"),
        auth_time=members.instant(payload, "auth_time") if "auth_time" in has else None,
        acr=members.optional_text(payload, "acr"),
        amr=members.ordered_names(payload, "amr"),
        status=read_status(payload) if "status" in has else None,
        actor=read_actor(payload) if "act" in has else None,
        confirmation=members.mapping(payload, "cnf") if "cnf" in has else None,
        extra=_NOTHING if has <= _OWN else {name: payload[name] for name in has - _OWN},
        payload=payload,
    )


def _one_or_all(audience: frozenset[str]) -> str | frozenset[str]:
    return audience if len(audience) > 1 else min(audience)


def read_status(payload: Mapping[str, Any]) -> StatusClaim | None:
    """`status.status_list`, Token Status List §6.2; None where the token has no `status` or another mechanism.

    Raises:
        ClaimError: the reference has another form, or its index is no index.
    """
    status = members.mapping(payload, "status")
    if status is None or "status_list" not in status:
        return None
    reference = status["status_list"]
    if not isinstance(reference, dict):
        raise ClaimError("status", "status_list is not an object")
    uri, idx = reference.get("uri"), reference.get("idx")
    if not isinstance(uri, str) or not uri or idx.__class__ is not int or idx < 0:
        raise ClaimError("status", "status_list has no uri or no index")
    return StatusClaim(uri, idx)


def read_groups(payload: Mapping[str, Any]) -> frozenset[str] | ByReference:
    """`groups`, or the reference that stands for them, OpenID Connect Core §5.6.2; never an empty set in its place.

    Raises:
        ClaimError: not a list of strings, or a reference without an endpoint that may be asked (`check_endpoint`).
    """
    sources = members.mapping(payload, "_claim_names")
    if sources is None or "groups" not in sources:
        return members.names(payload, "groups")
    named = sources["groups"]
    known = members.mapping(payload, "_claim_sources") or _NOTHING
    source = known.get(named) if isinstance(named, str) else None
    endpoint = source.get("endpoint") if isinstance(source, dict) else None
    if not isinstance(endpoint, str) or "groups" in payload:
        raise ClaimError("groups", "the reference to groups has no endpoint")
    check_endpoint(endpoint, payload.get("iss"))
    return ByReference(endpoint)


def check_endpoint(endpoint: str, issuer: object) -> None:
    """Hold that groups are asked for over https, or below the issuer itself, which may be http on one's own machine.

    Whether the host may be asked at all is for whoever asks: a name says nothing of its addresses.

    Raises:
        ClaimError: another URL, or none.
    """
    own = isinstance(issuer, str) and endpoint.startswith(issuer.rstrip("/") + "/")
    url = _URL.fullmatch(endpoint) if len(endpoint) <= _MAX_ENDPOINT else None
    if url is None or not (url[1] == "https" or own):
        raise ClaimError("groups", "the endpoint of groups is no https URL")


def read_actor(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`act`, RFC 8693 §4.1: read-only, and it names a subject.

    Raises:
        ClaimError: another form.
    """
    actor = members.mapping(payload, "act")
    if actor is None:
        return None
    if not isinstance(actor.get("sub"), str) or not actor["sub"]:
        raise ClaimError("act", "act names no subject")
    return MappingProxyType(dict(actor))


def principal(token: AccessToken, claims: Mapping[str, Any] | None = None) -> Principal:
    """Who a verified access token speaks for. `claims` replaces the payload that the principal shows.

    Raises:
        IssuerError: nobody verified the token.
    """
    if token.payload is None:
        # Only `verify` and `read` fill it, so a token that is still to be minted never becomes a principal.
        raise IssuerError(detail="the token was not verified")
    return Principal(
        issuer=token.issuer,
        subject=token.subject,
        client_id=token.client_id,
        audience=token.audiences,
        scopes=token.scope,
        roles=token.roles,
        groups=token.groups,
        actor=token.actor,
        session_id=token.session_id,
        token_id=token.jti,
        auth_time=token.auth_time,
        acr=token.acr,
        amr=token.amr,
        expires_at=token.exp,
        credential=CredentialKind.TOKEN,
        claims=MappingProxyType(token.payload) if claims is None else claims,
    )
