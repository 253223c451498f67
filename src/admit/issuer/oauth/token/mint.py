"""The one place where tokens are made: RFC 6749 §5.1, RFC 9068 §2, OpenID Connect Core §3.1.3.3."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from admit.issuer.accounts import rules as accounts
from admit.issuer.accounts.records import User
from admit.issuer.clients import profiles
from admit.issuer.clients import rules as clients
from admit.issuer.clients.records import Client, TokenFormat
from admit.issuer.factors.assurance import suffices
from admit.issuer.grants.records import Family
from admit.issuer.oauth.authorize.request import claims_of
from admit.issuer.oauth.errors import InvalidGrantError
from admit.issuer.oauth.hook import NO_MORE, More
from admit.issuer.oauth.reference import Reference
from admit.issuer.oauth.services import Services
from admit.jose import JWK
from admit.tokens import access, identity


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """RFC 6749 §5.1. `expires_in` is in seconds; `scope` is always told, since it may be less than was asked."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)

    def members(self) -> dict[str, Any]:
        """The JSON object of the response; absent members are left out."""
        members: dict[str, Any] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
        }
        if self.refresh_token is not None:
            members["refresh_token"] = self.refresh_token
        if self.id_token is not None:
            members["id_token"] = self.id_token
        return members


def granted_scope(services: Services, client: Client, user: User | None, family: Family) -> frozenset[str]:
    """What was granted, cut to what client and user may still have now, RFC 9700 §2.3.

    `user` is None where the client acts for itself: what it may have of the resource is all that bounds its family.
    """
    resource = services.registry.resource(family.audience)
    if user is None:
        return clients.machine_scopes(client, resource)
    return family.scope & clients.grantable_scopes(client, resource, user.roles)


def check_assurance(services: Services, client: Client, user: User, family: Family) -> None:
    """A grant from before the settings asked its user or client for a second factor makes no more tokens.

    Raises:
        InvalidGrantError: the class of its sign-in is not enough any more.
    """
    enough = client.acr is None or suffices(family.acr, client.acr)
    if not enough or not services.factors.admits(user, family.acr):
        raise InvalidGrantError("the grant's sign-in is not enough by the settings of now")


def check_audience(services: Services, family: Family) -> None:
    """A grant for an API that was removed makes no more tokens.

    Raises:
        InvalidGrantError: nobody here knows the audience any more.
    """
    if services.registry.resource(family.audience) is None:
        raise InvalidGrantError("the grant's resource is removed")


def mint(
    services: Services,
    *,
    client: Client,
    user: User | None,
    family: Family,
    scope: frozenset[str],
    refresh_token: str | None,
    nonce: str | None,
    now: float,
    code: str | None = None,
    more: More = NO_MORE,
) -> TokenResponse:
    """Tokens of one family. `now` is from before the transaction that issued (contracts §3.8). `user` is None where the
    client acts for itself: there is nobody then whom an ID token could speak of. `code` is what they are given for, if
    it is an authorization code; `more` is what an application adds.

    Raises:
        TokenTooLargeError: claims over budget even with groups by reference.
        InvalidGrantError: the user has to show more at sign-in by now than this grant was given for, or its resource is
            removed.
    """
    check_audience(services, family)
    if user is not None:
        check_assurance(services, client, user, family)
    lifetime = int(services.config.access_token_ttl.total_seconds())
    access_token = write_access_token(
        services, client=client, user=user, family=family, scope=scope, now=now, extra=more.access_token
    )
    id_token = None
    if user is not None and "openid" in scope:
        id_token = write_id_token(
            id_token_of(
                services,
                client=client,
                user=user,
                family=family,
                nonce=nonce,
                now=now,
                beside=access_token,
                code=code,
            ),
            services.keys.snapshot.signer("token", client.id_token_signed_response_alg),
            opened=opened(client, user, scope),
            chosen=chosen(client, user, family, more),
        )
    return TokenResponse(
        access_token=access_token,
        expires_in=lifetime,
        scope=" ".join(sorted(scope)),
        refresh_token=refresh_token,
        id_token=id_token,
    )


def id_token_of(
    services: Services,
    *,
    client: Client,
    user: User,
    family: Family,
    nonce: str | None,
    now: float,
    beside: str,
    code: str | None = None,
) -> identity.IdToken:
    """What the ID token says of the sign-in, `beside` the access token that it is given with, for the `code`."""
    alg = client.id_token_signed_response_alg
    return identity.IdToken(
        issuer=services.issuer,
        subject=user.id,
        audience=client.id,
        iat=now,
        exp=now + services.config.id_token_ttl.total_seconds(),
        auth_time=family.auth_time,
        acr=family.acr,
        amr=family.amr,
        session_id=family.session_id or family.id,
        nonce=nonce,
        at_hash=identity.at_hash(beside, alg),
        c_hash=identity.c_hash(code, alg) if code is not None else None,
        azp=client.id,
    )


def opened(client: Client, user: User, scope: frozenset[str]) -> Mapping[str, Any]:
    """What the scopes open about the person, for the ID token. Nothing where the client's profile has it told at
    `/userinfo` alone, OpenID Connect Core §5.4: an ID token is sent on in addresses, as a hint.
    """
    return accounts.standard_claims(user, scope) if profiles.settled(client).scope_claims_in_id_token else {}


def chosen(client: Client, user: User, family: Family, more: More) -> dict[str, Any]:
    """Claims that the ID token has whatever scopes opened: of the `claims` parameter, and an application's own."""
    return {
        **accounts.chosen_claims(user, family.claims.id_token & claims_of(client.scopes)),
        **more.id_token,
    }


def write_id_token(
    token: identity.IdToken, key: JWK, *, opened: Mapping[str, Any], chosen: Mapping[str, Any]
) -> str:
    """The ID token with the claims about the person that scopes opened and those that were chosen one by one.

    `/userinfo` has all that scopes open (OpenID Connect Core §5.4). So where they are over the token's budget they are
    told there alone, all of them: an application finds them in one place or in the other.

    Raises:
        TokenTooLargeError: over budget without them.
    """
    whole = replace(token, claims={**opened, **chosen})
    if (chosen or len(opened) > _ALWAYS_FIT) and not identity.fits(whole, key):
        whole = replace(token, claims=chosen)
    return identity.sign(whole, key)


_ALWAYS_FIT = 5
"""Name, email and language and what goes with them; their bounds are far below a token's, so nothing is measured."""


def write_access_token(
    services: Services,
    *,
    client: Client,
    user: User | None,
    family: Family,
    scope: frozenset[str],
    now: float,
    extra: Mapping[str, Any] = NO_MORE.access_token,
) -> str:
    """The access token in the format that its resource wants. An opaque one says nothing; neither is stored."""
    # The first is of the grant, not of the API: a session's principal has none either.
    scope = scope - {"offline_access"}
    audience = audiences(services, client, family, scope)
    if is_opaque(services, family.audience):
        return services.references.write(
            Reference(
                family=family.id,
                scope=scope,
                audience=audience,
                iat=int(now),
                exp=int(now + services.config.access_token_ttl.total_seconds()),
            )
        )
    claims = access_claims(
        services,
        client=client,
        user=user,
        family=family,
        scope=scope,
        audience=audience,
        now=now,
        extra=extra,
    )
    return access.sign(claims, services.keys.snapshot.signer("token", access_alg(services, family.audience)))


def audiences(services: Services, client: Client, family: Family, scope: frozenset[str]) -> frozenset[str]:
    """The resource, and the issuer beside it where the client wants the token for `/userinfo` too."""
    wants = client.userinfo_audience and "openid" in scope
    return frozenset({family.audience, services.issuer} if wants else {family.audience})


def access_claims(
    services: Services,
    *,
    client: Client,
    user: User | None,
    family: Family,
    scope: frozenset[str],
    audience: frozenset[str],
    now: float,
    status: access.StatusClaim | None = None,
    extra: Mapping[str, Any] = NO_MORE.access_token,
) -> access.AccessToken:
    """What the access token says; its `status` is the family's own place in the lists, unless one is given.

    The subject of a client that acts for itself is the client, and nobody signed in for it, RFC 9068 §2.2.
    """
    return access.AccessToken(
        issuer=services.issuer,
        subject=user.id if user is not None else client.id,
        audience=audience,
        client_id=client.id,
        scope=scope,
        roles=user.roles if user is not None else frozenset(),
        groups=user.groups if user is not None else frozenset(),
        session_id=family.session_id or family.id,
        jti=secrets.token_urlsafe(16),
        iat=now,
        exp=now + services.config.access_token_ttl.total_seconds(),
        auth_time=family.auth_time if user is not None else None,
        acr=family.acr if user is not None else None,
        amr=family.amr if user is not None else (),
        status=status or status_of(services, family),
        extra=extra,
    )


def status_of(services: Services, family: Family) -> access.StatusClaim:
    """Where the family's bit stands."""
    place = services.lists.ref(family.idx)
    return access.StatusClaim(uri=f"{services.issuer}/status/{place.list}", idx=place.position)


def is_opaque(services: Services, audience: str) -> bool:
    """Whether a resource wants tokens that only introspection opens."""
    resource = services.registry.resource(audience)
    return resource is not None and resource.access_token_format is TokenFormat.OPAQUE


def access_alg(services: Services, audience: str) -> str:
    """A resource's own algorithm; ES256 for the issuer itself."""
    resource = services.registry.resource(audience)
    return resource.alg if resource is not None else "ES256"
