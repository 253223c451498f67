"""`private_key_jwt`: a client signs with a key of its own, RFC 7523 §2.2 and §3, OpenID Connect Core §9.

An assertion is one string for one issuer, lives for minutes and is good for one use. Which key and which algorithm
verify it stands in the client's registration; the assertion only says which of its keys it was.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from admit.errors import (
    AudienceError,
    ClaimError,
    InvalidKeyError,
    KeyNotFoundError,
    KeysUnavailableError,
    TokenError,
)
from admit.issuer.clients.records import AuthMethod, Client
from admit.issuer.oauth.client_auth import store
from admit.issuer.oauth.client_auth.presented import Presented, check_method
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.jose import ClaimPolicy, UnverifiedJws, jws
from admit.jose import claims as jose_claims
from admit.jose import json as strict_json
from admit.tokens import members

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TYPES: Final = frozenset({"JWT", "client-authentication+jwt"})
"""`typ`, which may be absent. Nothing else that the client signs (a proof, a request) is one, RFC 8725 §3.11."""
LEEWAY: Final = timedelta(seconds=30)
MAX_JTI: Final = 1_024


async def authenticate(presented: Presented, services: Services, now: float) -> Client:
    """The client whose key signed the assertion, which is spent by it.

    Raises:
        InvalidRequestError: a part of it is missing.
        InvalidClientError: anything that is wrong with the assertion, or another method than the client's.
    """
    form = presented.form
    assertion = parse(form)
    client = await services.clients.find(client_id_of(assertion, form))
    client = check_method(client, AuthMethod.PRIVATE_KEY_JWT)
    try:
        claims = await verified(assertion, client, services, now)
        check_claims(claims, client, services, now)
    except TokenError as error:
        raise InvalidClientError(f"client_assertion: {told(error)}") from error
    expires_at = claims["exp"] + LEEWAY.total_seconds()
    if not await spend(services, client.id, claims["jti"], expires_at=expires_at):
        raise InvalidClientError("client_assertion: jti was used before")
    return client


def told(error: TokenError) -> str:
    """Which rule it was, and what would allow it: for the operator."""
    if isinstance(error, AudienceError):
        return "aud is not the issuer as one string (token_endpoint_audience takes the endpoint's URL too)"
    said = error.detail or error.code
    claim = error.claim if isinstance(error, ClaimError) else None
    return said if not claim or claim in said.split() else f"{said} ({claim})"


def parse(form: Parameters) -> UnverifiedJws:
    """The assertion as it was sent, RFC 7521 §4.2: exactly the one type, and one JWS."""
    if form.required("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClientError("client_assertion_type is not jwt-bearer")
    try:
        return jws.parse(form.required("client_assertion"))
    except TokenError as error:
        raise InvalidClientError(f"client_assertion: {error.detail or error.code}") from error


def client_id_of(assertion: UnverifiedJws, form: Parameters) -> str:
    """Whose assertion it claims to be: its `sub`, which is what `client_id` says where that is sent (RFC 7521 §4.2)."""
    try:
        subject = strict_json.loads_object(assertion.payload_bytes).get("sub")
    except TokenError as error:
        raise InvalidClientError("client_assertion: the claims are not strict JSON") from error
    if not isinstance(subject, str) or form.get("client_id", subject) != subject:
        raise InvalidClientError("client_assertion: sub is no client's, or not what client_id says")
    return subject


async def verified(
    assertion: UnverifiedJws, client: Client, services: Services, now: float
) -> Mapping[str, Any]:
    """The claims, once signature, kind, issuer, audience and times hold; with the client's keys fetched again where the
    one that it names is new.

    Raises:
        TokenError: a subclass for each rule.
        InvalidClientError: the client's keys cannot be had.
    """
    policy = policy_of(client.id, audiences(client, services.issuer))
    try:
        keys = await services.client_keys.of(client)
    except (InvalidKeyError, KeysUnavailableError) as error:
        # Not 503: whoever writes assertions in the client's name would learn what its address answers.
        raise InvalidClientError(f"client_assertion: {error.detail}") from error
    try:
        return jose_claims.verify(assertion, keys, policy, now)
    except KeyNotFoundError:
        kid = assertion.header.get("kid")
        renewed = await services.client_keys.renewed(client, kid if isinstance(kid, str) else "")
        if renewed is None:
            raise
    return jose_claims.verify(assertion, renewed, policy, now)


@lru_cache(maxsize=1_024)
def policy_of(client_id: str, audiences: frozenset[str]) -> ClaimPolicy:
    """What every assertion of a client must say, prepared once."""
    return ClaimPolicy(
        issuer=client_id, audience=audiences, typ=TYPES, leeway=LEEWAY, require=frozenset({"sub", "jti"})
    )


def audiences(client: Client, issuer: str) -> frozenset[str]:
    """For whom an assertion must be: the issuer. The token endpoint's URL only for a client that is allowed to by name:
    whoever can make a client believe in another token endpoint gets assertions that are good here.
    """
    return frozenset({issuer, issuer + "/token"} if client.token_endpoint_audience else {issuer})


def check_claims(claims: Mapping[str, Any], client: Client, services: Services, now: float) -> None:
    """What RFC 7523 §3 and its update ask beyond any token: the client speaks of itself, to one, and for minutes."""
    if members.text(claims, "sub") != client.id:
        raise ClaimError("sub", "sub is not iss")
    check_single_audience(claims)
    members.short_text(claims, "jti", MAX_JTI)
    check_near(claims, services.config.assertion_ttl, now)


def check_single_audience(claims: Mapping[str, Any]) -> None:
    """One string: in a list, an assertion that another server asked for could name us too.

    Raises:
        AudienceError: a list.
    """
    if not isinstance(claims["aud"], str):
        raise AudienceError(detail="aud is a list")


def check_near(claims: Mapping[str, Any], longest: timedelta, now: float) -> None:
    """An assertion that leaks is worth something until it expires, if it was not used.

    Raises:
        ClaimError: `exp` lies too far ahead.
    """
    if claims["exp"] > now + longest.total_seconds() + LEEWAY.total_seconds():
        raise ClaimError("exp", "exp lies too far ahead (oauth.assertion_ttl)")


async def spend(services: Services, client_id: str, jti: str, *, expires_at: float) -> bool:
    """Use the assertion, which only one request ever does."""
    return await services.db.run(store.spend, client_id, jti, expires_at=expires_at)
