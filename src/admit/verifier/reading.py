"""A new token, read once by every rule whose answer cannot change. What may change is asked again at each use."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from admit.errors import BoundTokenError, ClaimError
from admit.jose import claims as jose_claims
from admit.jose import jws
from admit.tokens import access, status_list
from admit.verifier import foreign
from admit.verifier.hit import Known
from admit.verifier.introspector import frozen
from admit.verifier.remembered import Remembered, freeze
from admit.verifier.snapshot import KeyView
from admit.verifier.trust import TrustedIssuer


def read(unverified: jws.UnverifiedJws, known: Known, view: KeyView, wall: float) -> Remembered:
    """The token as it is remembered, once its issuer's keys and rules hold at `wall`, in seconds since the epoch.

    Not asked here: revocation, ends and the age of the keys.

    Raises:
        TokenError: a subclass for each rule; KeyNotFoundError where none of these keys has its `kid`.
    """
    trust = known.trust
    status: tuple[int, int] | None = None
    if trust.is_profiled:
        found = access.verify(
            unverified,
            view.tokens,
            issuer=trust.issuer,
            audience=trust.audiences,
            now=wall,
            leeway=trust.leeway,
        )
        check_unbound(found.confirmation)
        status = status_of(found, trust)
        assert found.payload is not None
        principal = access.principal(found, freeze(found.payload))
        if found.actor is not None:
            principal = replace(principal, actor=freeze(found.actor))
        if trust.policy.max_age_s is not None:
            jose_claims.check_times({"exp": found.exp, "iat": found.iat}, trust.policy, wall)
        claims: Mapping[str, Any] = principal.claims
        foreign.check_required(claims, trust.require)
    else:
        claims = foreign.verify(unverified, view.tokens, trust, wall)
        check_unbound(claims.get("cnf"))
        principal = frozen(foreign.principal(claims, trust.claims, trust.audience_claim))
    leeway = trust.policy.leeway_s
    iat = claims.get("iat")
    expires = claims["exp"] + leeway
    if trust.policy.max_age_s is not None and iat is not None:
        expires = min(expires, iat + trust.policy.max_age_s + leeway)
    if known.ends is not None:
        expires = min(expires, known.ends.expires(iat, wall, leeway))
    return Remembered(
        principal=principal,
        known=known,
        keys=view.tokens,
        kid=unverified.header.get("kid"),
        not_before=max(claims.get("nbf", 0.0), iat or 0.0) - leeway,
        expires=expires,
        iat=iat,
        status=status,
    )


def check_unbound(confirmation: object) -> None:
    """Refuse a token that is bound to a key (`cnf`, RFC 7800), since the request proved none.

    Raises:
        BoundTokenError: the token has `cnf`.
    """
    if confirmation is not None:
        raise BoundTokenError("the token is bound to a key")


def status_of(token: access.AccessToken, trust: TrustedIssuer) -> tuple[int, int] | None:
    """List and position of a token's bit; None where revocation is waived for its issuer.

    Raises:
        ClaimError: an issuer whose revocations are followed has to say in each token where to look.
    """
    if trust.follows is None:
        return None
    if token.status is None:
        raise ClaimError("status", "the token does not say where its revocation stands")
    n = status_list.number(trust.issuer, token.status.uri)
    if n is None or token.status.idx >= status_list.ENTRIES:
        raise ClaimError("status", "the token's status list is not one of its issuer")
    return n, token.status.idx
