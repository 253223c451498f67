"""An access token of ours that somebody shows to the issuer itself: whose it is, and whether it is good for anything.

One reading for `/userinfo`, `/introspect` and `/revoke`, of JWTs (RFC 9068) and of opaque tokens alike. A JWT is proved
by its signature, an opaque one by its seal; for both the family's own row says at once whether it was ended.
"""

from dataclasses import dataclass
from typing import Final

from admit.credentials import StatusRef
from admit.errors import TokenError
from admit.issuer.accounts.records import User
from admit.issuer.clients.records import Client
from admit.issuer.grants.records import Family, OfUser
from admit.issuer.oauth import reference
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token import mint
from admit.jose import Waive
from admit.tokens import access, status_list

_JWT_PARTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A good access token, what it says, and what is so now. Times are seconds since the epoch.

    `user` is None for a client's own token. `scope` is the token's, cut to what client and user may still have.
    """

    family: Family
    client: Client
    user: User | None
    scope: frozenset[str]
    audience: frozenset[str]
    iat: int
    exp: int
    jti: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What stands in a genuine token that has not expired, and whose its family is."""

    found: OfUser | None
    scope: frozenset[str]
    audience: frozenset[str]
    iat: int
    exp: int
    jti: str


async def access_token(services: Services, token: str, now: float) -> Shown | None:
    """The good access token that this is; None for everything else, without a reason: nobody is to learn one.

    Raises:
        StorageUnavailableError: the database was not reached, so nothing can be told.
    """
    read = await (_opaque if reference.is_reference(token) else _jwt)(services, token, now)
    if read is None or read.found is None or not is_alive(read.found.family, now):
        return None
    family, user = read.found
    # Nothing is fetched for whoever asks about a token: the client is as it was when it was last asked for.
    client = await services.clients.find(family.client_id, fetch=False)
    if client is None:
        return None
    if services.accounts.is_elsewhere and family.user_id is not None:
        user = await services.accounts.get(family.user_id)
    if family.user_id is not None and (user is None or user.is_disabled):
        return None
    return Shown(
        family=family,
        client=client,
        user=user,
        scope=read.scope & mint.granted_scope(services, client, user, family),
        audience=read.audience,
        iat=read.iat,
        exp=read.exp,
        jti=read.jti,
    )


def is_alive(family: Family, now: float) -> bool:
    """Whether nobody ended it, and its own time is not over."""
    return family.ended_at is None and now < family.expires_at


def in_time(exp: float, now: float) -> bool:
    """Whether a token has not expired: by the clock of who made it, so that no leeway is needed."""
    return now < exp


async def _opaque(services: Services, token: str, now: float) -> _Read | None:
    found = services.references.open(token)
    if found is None or not in_time(found.exp, now):
        return None
    return _Read(
        found=await services.families.get_of_user(found.family),
        scope=found.scope,
        audience=found.audience,
        iat=found.iat,
        exp=found.exp,
        jti=found.jti,
    )


async def _jwt(services: Services, token: str, now: float) -> _Read | None:
    if token.count(".") != _JWT_PARTS - 1 or not token.isascii():
        return None
    try:
        found = access.verify(
            token, services.keys.snapshot.token_keys, issuer=services.issuer, audience=Waive.AUDIENCE, now=now
        )
    except TokenError:
        return None
    if not in_time(found.exp, now):
        return None
    return _Read(
        found=await family_of(services, found),
        scope=found.scope,
        audience=found.audiences,
        iat=int(found.iat),
        exp=int(found.exp),
        jti=found.jti,
    )


async def family_of(services: Services, token: access.AccessToken) -> OfUser | None:
    """The family whose bit the token names, where it is the one that the token says: a database that was put back from
    a copy gives the same bit to another one.
    """
    status = token.status
    n = status_list.number(services.issuer, status.uri) if status is not None else None
    if status is None or n is None:
        return None
    place = StatusRef(n, status.idx)
    idx = services.lists.index(place)
    if idx is None:
        await services.status.refresh()  # another node may have begun the list just now
        idx = services.lists.index(place)
    found = await services.families.at_of_user(idx) if idx is not None else None
    if found is None or token.client_id != found.family.client_id:
        return None
    family = found.family
    same = token.subject == (family.user_id or family.client_id)
    return found if same and token.session_id == (family.session_id or family.id) else None
