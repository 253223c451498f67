"""Asking the issuer about opaque tokens, RFC 7662: the terms, the question, and what an answer has to say. Pure."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus, urlencode

from admit.errors import (
    AdmitError,
    BoundTokenError,
    ClaimError,
    ConfigError,
    InactiveTokenError,
    IntrospectionUnavailableError,
    IssuerError,
    MalformedTokenError,
    TokenTypeError,
)
from admit.fetch import Response
from admit.jose import JWK, JWKSet, Waive
from admit.jose import claims as jose_claims
from admit.jose import json as strict_json
from admit.principal import Principal
from admit.verifier import foreign

if TYPE_CHECKING:
    from admit.verifier.trust import TrustedIssuer

MAX_AGE = timedelta(seconds=30)
MAX_ANSWER = 65_536
"""Octets of an answer."""
MAX_TOKEN = 4_096
"""Characters of a token that is sent; a longer one could make a server hang up, which would look like an outage."""
_JWT_TYP = "token-introspection+jwt"
_CLOCK = timedelta(seconds=60)
_TOKEN68 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """How an issuer is asked about its opaque tokens, RFC 7662.

    Tokens with the three parts of a JWT are never asked about: they are verified here (an issuer that has none is
    trusted with `jwks=JWKSet([])`). `client_id` and `secret` are this API's own at the issuer, sent by Basic.
    `endpoint` is found in the issuer's metadata where it is None. An answer is believed for `cache` (at most 30
    seconds, and never beyond `exp`): so long can a token live on after the issuer ended it. Zero asks for each
    request. `prefix` tells this issuer's tokens from those of another one that is asked too.

    `token_type` has to be the answer's: an issuer that answers for refresh tokens as well gives those none. For one
    that never says it, give that up with `Waive.TYP`. With `signed`, answers have to be signed (RFC 9701).

    At most `concurrency` questions are under way, and `waiting` more may wait for their turn; what comes on top is
    refused with 503. `remember` bounds the answers that are held.

    Raises:
        ConfigError: a member is empty or out of range.
    """

    client_id: str
    secret: str = field(repr=False)
    endpoint: str | None = None
    prefix: str = ""
    cache: timedelta = timedelta(seconds=10)
    token_type: str | Literal[Waive.TYP] = "Bearer"  # noqa: S105 - a word, no secret
    signed: bool = False
    concurrency: int = 8
    waiting: int = 100
    remember: int = 10_000
    authorization: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (
            isinstance(self.client_id, str)
            and self.client_id
            and isinstance(self.secret, str)
            and self.secret
        ):
            raise ConfigError("Introspection needs the client_id and the secret of this API")
        if not isinstance(self.cache, timedelta) or not timedelta(0) <= self.cache <= MAX_AGE:
            raise ConfigError("Introspection(cache=...) is a timedelta from 0 to 30 seconds")
        if not _TOKEN68.issuperset(self.prefix) or self.prefix.startswith("ey"):
            raise ConfigError("Introspection(prefix=...) is how opaque tokens begin; no JWT may begin so")
        if self.token_type is not Waive.TYP and not (isinstance(self.token_type, str) and self.token_type):
            raise ConfigError("Introspection(token_type=...) is a text, or Waive.TYP")
        if self.concurrency < 1 or self.waiting < 0 or self.remember < 0:
            raise ConfigError(
                "Introspection needs a concurrency of at least 1; waiting and remember are not negative"
            )
        # RFC 6749 §2.3.1: both are form-encoded first, since an id may hold a colon.
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        object.__setattr__(self, "authorization", f"Basic {b64encode(pair.encode()).decode()}")


def is_opaque(token: str) -> bool:
    """Whether a token is one to ask about: it has not the three parts of a JWT, and is written as RFC 6750 §2.1 says.

    What looks like a JWT is never sent anywhere: it may be a live token of another issuer.
    """
    return token.count(".") != 2 and is_token68(token)


def check_askable(token: str) -> None:
    """Raise MalformedTokenError for what is no opaque token, or too long to be sent."""
    if len(token) > MAX_TOKEN or not is_token68(token):
        raise MalformedTokenError("neither a JWT nor an opaque token")


def is_token68(token: str) -> bool:
    """Whether the text is a `b64token`, RFC 6750 §2.1."""
    body = token.rstrip("=")
    return bool(body) and _TOKEN68.issuperset(body)


def question(terms: Introspection, token: str) -> tuple[bytes, Mapping[str, str]]:
    """Body and headers of the request, RFC 7662 §2.1."""
    body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
    accept = f"application/{_JWT_TYP}" if terms.signed else "application/json"
    return body, {
        "authorization": terms.authorization,
        "content-type": "application/x-www-form-urlencoded",
        "accept": accept,
    }


def members_of(
    response: Response,
    trust: "TrustedIssuer",
    terms: Introspection,
    keys: Callable[[], JWK | JWKSet | None],
    now: float,
) -> dict[str, Any]:
    """What an answer says of the token, before any of it is judged, RFC 7662 §2.2. `keys` are for signed answers.

    Raises:
        IntrospectionUnavailableError: it is no answer: another status, form or signature than was asked for.
    """
    if response.status in (401, 403):
        raise IntrospectionUnavailableError("the issuer refused this API's client_id or secret")
    if response.status != 200:
        raise IntrospectionUnavailableError("the issuer failed to answer for a token")
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != f"application/{_JWT_TYP if terms.signed else 'json'}":
        raise IntrospectionUnavailableError("the answer has another form than was asked for")
    try:
        if terms.signed:
            return _signed_members(response.body, trust, terms, keys(), now)
        return strict_json.loads_object(response.body, max_size=MAX_ANSWER)
    except MalformedTokenError:
        raise IntrospectionUnavailableError("the answer is not strict JSON") from None


def _signed_members(
    body: bytes, trust: "TrustedIssuer", terms: Introspection, keys: JWK | JWKSet | None, now: float
) -> dict[str, Any]:
    """RFC 9701 §5: signed by the issuer, for us, about now; what it says is in one claim of its own."""
    if keys is None:
        raise IntrospectionUnavailableError("no keys of this issuer could be had yet")
    policy = jose_claims.ClaimPolicy(
        issuer=trust.issuer,
        audience=terms.client_id,
        typ=_JWT_TYP,
        max_age=_CLOCK,
        accept_expired=Waive.EXPIRY,
    )
    try:
        claims = jose_claims.verify(body, keys, policy, now)
    except AdmitError as error:
        raise IntrospectionUnavailableError("the answer is not signed as it should be") from error
    found = claims.get("token_introspection")
    # RFC 9701 §5: no `sub` or `exp` outside, so that an answer cannot pass for a token.
    if not isinstance(found, dict) or not claims.keys().isdisjoint({"sub", "exp"}):
        raise IntrospectionUnavailableError("the signed answer has another form")
    return found


def principal(
    members: Mapping[str, Any], trust: "TrustedIssuer", terms: Introspection, now: float
) -> Principal:
    """Who a token speaks for, by what the issuer says of it. `now` is in seconds since the epoch.

    Raises:
        TokenError: the token is not active, or not good here; a subclass for each rule.
        IntrospectionUnavailableError: the answer does not say whether it is.
    """
    check_active(members)
    check_issuer(members, trust.issuer)
    check_bearer(members, terms.token_type)
    jose_claims.check_types(members)
    if trust.audience_claim == "aud":
        jose_claims.check_audience(members, trust.policy)
    else:
        foreign.check_audience_claim(members, trust.audience_claim, trust.audiences)
    check_times(members, trust, now)
    foreign.check_kind(members, trust.refuse)
    foreign.check_required(members, trust.require)
    # What was only asked for is no claim: the issuer's own name, and `active`.
    claims = {**members, "iss": trust.issuer, "sub": subject_of(members)}
    del claims["active"]
    return foreign.principal(claims, trust.claims, trust.audience_claim)


def check_active(members: Mapping[str, Any]) -> None:
    """`active` is true itself; what merely counts as true elsewhere is no answer.

    Raises:
        InactiveTokenError: it is false: unknown, expired, ended, or not for us, RFC 7662 §2.2.
        IntrospectionUnavailableError: it is neither.
    """
    active = members.get("active")
    if active is False:
        raise InactiveTokenError("the issuer says that the token is not active")
    if active is not True:
        raise IntrospectionUnavailableError("the answer does not say whether the token is active")


def check_issuer(members: Mapping[str, Any], issuer: str) -> None:
    """Raise IssuerError where the answer is about another issuer's token."""
    if "iss" in members and members["iss"] != issuer:
        raise IssuerError(detail="the answer is about another issuer's token")


def check_bearer(members: Mapping[str, Any], wanted: str | Literal[Waive.TYP]) -> None:
    """The token is one that whoever bears it may use, RFC 7662 §2.2 (`token_type`), RFC 8705 §3.2, RFC 9449 §6.2.

    Raises:
        BoundTokenError: it is bound to a key, which the request did not prove.
        TokenTypeError: it has another type, or none.
    """
    kind = members.get("token_type")
    if members.get("cnf") is not None or (isinstance(kind, str) and kind.lower() == "dpop"):
        raise BoundTokenError("the token is bound to a key")
    if wanted is not Waive.TYP and not (isinstance(kind, str) and kind.lower() == wanted.lower()):
        raise TokenTypeError("the answer says another token_type, or none")


def check_times(members: Mapping[str, Any], trust: "TrustedIssuer", now: float) -> None:
    """The times that the answer gives; `exp` may be missing, since the issuer said that the token is active.

    Raises:
        ClaimError: as `jose.claims.check_times`.
    """
    told = members if "exp" in members else {**members, "exp": now + 1}
    jose_claims.check_times(told, trust.policy, now)


def subject_of(members: Mapping[str, Any]) -> str:
    """`sub`; or, of a machine's token, which often has none, the client.

    Raises:
        ClaimError: a user's token without `sub`: a `username` may change hands.
    """
    subject = members.get("sub", None if "username" in members else members.get("client_id"))
    if not isinstance(subject, str) or not subject:
        raise ClaimError("sub", "a required claim is missing")
    return subject
