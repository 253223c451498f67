"""What `/userinfo` answers, OpenID Connect Core §5.3."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from admit.credentials import StatusRef
from admit.errors import AudienceError, InsufficientScopeError, RevokedError, TokenError
from admit.issuer.accounts import rules as accounts
from admit.issuer.accounts.records import User
from admit.issuer.clients.records import Client
from admit.issuer.grants.records import Family
from admit.issuer.oauth import hook, reference, shown
from admit.issuer.oauth.authorize.request import claims_of
from admit.issuer.oauth.services import Services
from admit.tokens import access, status_list
from admit.tokens import userinfo as answer


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The claims, and the client that they are for: its registration says whether they are signed."""

    client: Client
    claims: dict[str, Any] = field(repr=False)


async def userinfo(services: Services, bearer: str, now: float) -> UserInfo:
    """The claims of the token's subject that its scopes open, and those that were asked for one by one.

    The issuer looks the family up, so an ended one is refused at once.

    Raises:
        TokenError: not an access token for the issuer, or its family, user or client is over.
        InsufficientScopeError: it lacks the scope `openid`.
    """
    read = _of_opaque if reference.is_reference(bearer) else _of_jwt
    client, user, scope, family = await read(services, bearer, now)
    if "openid" not in scope:
        raise InsufficientScopeError("openid is missing", scope="openid")
    # Asked for one by one, and still the client's to ask for.
    chosen = family.claims.userinfo & claims_of(client.scopes) if family is not None else frozenset[str]()
    claims = {**accounts.standard_claims(user, scope), **accounts.chosen_claims(user, chosen)}
    more = await hook.of_userinfo(services, client=client, user=user, scope=scope)
    return UserInfo(client, {**more, "sub": user.id, **claims})


def signed(services: Services, found: UserInfo) -> str | None:
    """The claims as a JWT for the client, §5.3.2; None where it registered no algorithm for that."""
    alg = found.client.userinfo_signed_response_alg
    if alg is None:
        return None
    key = services.keys.snapshot.signer("token", alg)
    return answer.sign(found.claims, key, issuer=services.issuer, audience=found.client.id)


_Read: TypeAlias = tuple[Client, User, frozenset[str], Family | None]


async def _of_jwt(services: Services, bearer: str, now: float) -> _Read:
    token = access.verify(
        bearer,
        services.keys.snapshot.token_keys,
        issuer=services.issuer,
        audience=services.issuer,
        now=now,
    )
    await check_alive(services, token)
    user = await services.accounts.get(token.subject)
    if user is None or user.is_disabled:
        raise RevokedError("the user is gone or disabled")
    client = await services.clients.find(token.client_id, fetch=False)
    if client is None:
        raise RevokedError("the client is gone")
    found = await shown.family_of(services, token)
    return client, user, token.scope, found.family if found is not None else None


async def _of_opaque(services: Services, bearer: str, now: float) -> _Read:
    found = await shown.access_token(services, bearer, now)
    if found is None or found.user is None:
        raise RevokedError("no good opaque token of a person")
    check_audience(services, found.audience)
    return found.client, found.user, found.scope, found.family


def check_audience(services: Services, audience: frozenset[str]) -> None:
    """An opaque token is good here only where the issuer is one of its audiences, as a JWT is.

    Raises:
        AudienceError: it is not.
    """
    if services.issuer not in audience:
        raise AudienceError(detail="the token is for another resource")


async def check_alive(services: Services, token: access.AccessToken) -> None:
    """Its family's bit is not set in what the database says now.

    Raises:
        TokenError: it was ended, or the token names no family of ours.
    """
    n = status_list.number(services.issuer, token.status.uri) if token.status is not None else None
    if token.status is None or n is None:
        raise TokenError("the token names no family")
    state = await services.status.refresh()
    if state.is_ended(StatusRef(n, token.status.idx)):
        raise RevokedError("the family was ended")
