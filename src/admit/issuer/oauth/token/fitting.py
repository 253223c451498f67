"""Whether the tokens of an answer can be written, known before a code is spent or a refresh token rotated.

What an application adds, its roles and its claims may be more than a token holds (`admit.tokens.size`). Found out
afterwards, that would cost the client its grant: it tries again, and looks like one that repeats an old token.
"""

import logging
from dataclasses import dataclass, replace
from typing import Final

from admit.errors import UnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.clients.records import Client
from admit.issuer.grants.records import Family
from admit.issuer.oauth.hook import NO_MORE, More
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token import mint
from admit.tokens import access, identity

log = logging.getLogger("admit.issuer.tokens")

ALWAYS_FIT: Final = 1_000
"""Octets of names, far below what a token holds beside the signature of the longest key: less is not measured."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an application said of a grant: whose it is now, None where the account is gone or disabled, and what
    it adds.
    """

    user: User | None
    more: More = NO_MORE


class TooMuchToSayError(UnavailableError):
    """The tokens would be over their budget: fewer roles or claims are needed. Nothing was spent, nothing is given."""


def check(
    services: Services,
    *,
    client: Client,
    user: User | None,
    family: Family,
    scope: frozenset[str],
    nonce: str | None,
    now: float,
    more: More = NO_MORE,
) -> None:
    """That `mint.mint` can write them. A hot path: what surely fits is not measured.

    Raises:
        TooMuchToSayError: a token would be over 3,072 octets.
        InvalidGrantError: as `mint.mint`.
    """
    if user is None or _surely_fit(services, client, user, family, scope, more):
        return
    mint.check_audience(services, family)
    for kind, fits in (
        ("access token", _access_token_fits(services, client, user, family, scope, now, more)),
        ("ID token", _id_token_fits(services, client, user, family, scope, nonce, now, more)),
    ):
        if not fits:
            log.warning(
                "a token would be over its budget: its user has too many roles or claims",
                extra={"client_id": client.id, "detail": kind},
            )
            raise TooMuchToSayError(f"the {kind} would be over its budget")


def _surely_fit(
    services: Services, client: Client, user: User, family: Family, scope: frozenset[str], more: More
) -> bool:
    if more.access_token or more.id_token or family.claims.id_token:
        return False
    names = (*user.roles, *scope, services.issuer * 3, client.id * 2, family.audience)
    return sum(map(len, names)) + 3 * len(names) <= ALWAYS_FIT


def _access_token_fits(
    services: Services,
    client: Client,
    user: User,
    family: Family,
    scope: frozenset[str],
    now: float,
    more: More,
) -> bool:
    if mint.is_opaque(services, family.audience):
        return True
    scope = scope - {"offline_access"}
    told = mint.access_claims(
        services,
        client=client,
        user=user,
        family=family,
        scope=scope,
        audience=mint.audiences(services, client, family, scope),
        now=now,
        # As long as any: a family that is not there yet has no place.
        status=access.StatusClaim(uri=f"{services.issuer}/status/{10**6}", idx=10**7),
        extra=more.access_token,
    )
    key = services.keys.snapshot.signer("token", mint.access_alg(services, family.audience))
    return access.fits(told, key)


def _id_token_fits(
    services: Services,
    client: Client,
    user: User,
    family: Family,
    scope: frozenset[str],
    nonce: str | None,
    now: float,
    more: More,
) -> bool:
    if "openid" not in scope:
        return True
    token = mint.id_token_of(
        services, client=client, user=user, family=family, nonce=nonce, now=now, beside="", code=""
    )
    key = services.keys.snapshot.signer("token", client.id_token_signed_response_alg)
    # What scopes opened is told at userinfo alone where it does not fit.
    return identity.fits(replace(token, claims=mint.chosen(client, user, family, more)), key)
