"""`claims=` of an issuer: what an application adds to tokens and userinfo of its own (contracts §9).

It only adds. What Admit says itself no hook repeats, so none can give a role, a scope, an address or a longer life, nor
take a check away; one that fails or is late gives no token at all.
"""

import asyncio
import logging
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from admit.errors import UnavailableError
from admit.issuer.accounts import claims as standard
from admit.issuer.accounts.records import User
from admit.issuer.clients.records import Client
from admit.issuer.grants.records import Family
from admit.tokens import access, identity

if TYPE_CHECKING:
    from admit.issuer.oauth.services import Services

log = logging.getLogger("admit.issuer.claims")

Place: TypeAlias = Literal["access_token", "id_token", "userinfo"]
MAX_OCTETS: Final = 1_024
"""Of what is added at one place, as JSON: what a token holds beside usual roles and scopes, however long its key."""


class ClaimsUnavailableError(UnavailableError):
    """The application's claims hook failed, was late, or said what no hook may say: nothing is given without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsWanted:
    """What a hook is asked: claims for `place`, about `subject`, for `client_id`. `audience` is who reads them: an API
    for the access token, else the client. Scopes, roles and groups are those of the token.
    """

    place: Place
    subject: str
    client_id: str
    audience: str
    scope: frozenset[str]
    roles: frozenset[str]
    groups: frozenset[str]


ClaimsHook: TypeAlias = Callable[[ClaimsWanted], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class More:
    """What is added at each place."""

    access_token: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    id_token: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)


NO_MORE: Final = More()
OTHERS_DECIDE_BY: Final = frozenset(
    {
        "scp", "scopes", "role", "group", "permission", "permissions", "authorities", "realm_access", "resource_access",
        "wids", "username", "user_name", "upn", "unique_name", "uid", "oid", "sub_id", "sub_jwk", "cid", "appid",
        "session_id", "tenant", "tenant_id", "tid", "org", "org_id", "organization", "vot", "vtm", "trust_chain",
        "orig", "dest", "txn", "toe",
    }
)  # fmt: skip
"""Short names by which APIs, gateways and their libraries tell who may do what, though Admit says none of them: an API
that reads one of them would believe the hook. One's own has a URL before it."""
PROTECTED: Final = (
    access.RESERVED
    | identity.RESERVED
    | frozenset().union(*standard.OF_SCOPES.values())
    | {"nbf", "typ", "s_hash", "events", "may_act", "authorization_details", "token_type", "active"}
    | OTHERS_DECIDE_BY
)
"""Names that somebody decides by, or that accounts tell: a hook's own are others."""


def protected(said: Iterable[str]) -> list[str]:
    """The protected names among these, however they are spelled: some readers look at no case."""
    spelled = {unicodedata.normalize("NFKC", name).casefold() for name in said}
    return sorted(spelled & _SPELLED)


_SPELLED: Final = {name.casefold() for name in PROTECTED}


def is_name(name: object) -> bool:
    """Text without blanks and what nobody sees."""
    return isinstance(name, str) and bool(name) and name.isprintable() and " " not in name


def check(said: object) -> Mapping[str, Any]:
    """Claims that may be added.

    Raises:
        ClaimsUnavailableError: no mapping of names to JSON, too long, or a protected name.
    """
    if not isinstance(said, Mapping) or not all(is_name(name) for name in said):
        raise ClaimsUnavailableError("the hook gave no mapping of names")
    if found := protected(said):
        raise ClaimsUnavailableError(f"the hook named a claim that is not its own to say: {found[0]}")
    try:
        text = msgspec.json.encode(dict(said))
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise ClaimsUnavailableError("the hook gave what is no JSON") from None
    if len(text) > MAX_OCTETS:
        raise ClaimsUnavailableError("the hook's claims are too long")
    made: dict[str, Any] = msgspec.json.decode(text)  # a copy, that nobody changes while it is signed
    return made


async def ask(services: "Services", wanted: ClaimsWanted) -> Mapping[str, Any]:
    """What the hook adds at one place; nothing without a hook.

    Raises:
        ClaimsUnavailableError: it failed, was late, or said what it may not.
    """
    if services.hook is None:
        return {}
    try:
        async with asyncio.timeout(services.config.hook_within.total_seconds()):
            said = await services.hook(wanted)
    except Exception as error:  # what it says may hold what is secret: the kind alone is told
        kind = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
        log.warning("the claims hook failed", extra={"code": kind})
        raise ClaimsUnavailableError(f"the claims hook: {kind}") from None
    try:
        return check(said)
    except ClaimsUnavailableError as error:
        log.warning("the claims hook's answer is not taken", extra={"detail": error.detail})
        raise


async def more(
    services: "Services", *, client: Client, user: User, family: Family, scope: frozenset[str]
) -> More:
    """What is added to the tokens of one answer.

    Raises:
        ClaimsUnavailableError: as `ask`.
    """
    if services.hook is None:
        return NO_MORE

    async def at(place: Place, audience: str) -> Mapping[str, Any]:
        return await ask(services, _wanted(place, audience, client, user, scope))

    return More(
        access_token=await at("access_token", family.audience),
        id_token=await at("id_token", client.id) if "openid" in scope else {},
    )


async def of_userinfo(
    services: "Services", *, client: Client, user: User, scope: frozenset[str]
) -> Mapping[str, Any]:
    """What is added at `/userinfo`. Raises ClaimsUnavailableError, as `ask`."""
    return await ask(services, _wanted("userinfo", client.id, client, user, scope))


async def of_shown(
    services: "Services", *, client: Client, user: User, audience: str, scope: frozenset[str]
) -> Mapping[str, Any]:
    """What is added to an access token, for an API that asks about one: as it is now, and for an opaque token the only
    way to it. Raises ClaimsUnavailableError, as `ask`.
    """
    return await ask(services, _wanted("access_token", audience, client, user, scope))


def _wanted(place: Place, audience: str, client: Client, user: User, scope: frozenset[str]) -> ClaimsWanted:
    return ClaimsWanted(
        place=place, subject=user.id, client_id=client.id, audience=audience, scope=scope, roles=user.roles,
        groups=user.groups,
    )  # fmt: skip
