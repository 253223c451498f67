"""What `/introspect` answers, RFC 7662: to an API about the tokens made for it, to a client about its own."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from admit.issuer.clients.records import Client, Resource
from admit.issuer.grants.records import Family
from admit.issuer.oauth import hook, shown
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.shown import Shown
from admit.issuer.oauth.token import mint
from admit.tokens import introspection

Caller: TypeAlias = Resource | Client
"""Who asks, and has proved it."""

INACTIVE: dict[str, Any] = {"active": False}
"""All that is ever said of a token that is not active, or not the caller's: no reason, nothing of it, §2.2."""


async def introspect(services: Services, caller: Caller, form: Parameters, now: float) -> dict[str, Any]:
    """The members of the answer, §2.2, under the names of RFC 9068 §2.2.

    Roles, groups and scope are those of now, and so is what an application adds; an ended family is seen at once.
    `token_type_hint` is tolerated and not needed: each kind of token has a form of its own.

    Raises:
        InvalidRequestError: no token.
        StorageUnavailableError: the database was not reached, so nothing can be told.
        ClaimsUnavailableError: an application that adds claims does not answer.
    """
    token = form.required("token")
    found = await shown.access_token(services, token, now)
    if found is not None:
        if not may_learn(caller, found):
            return INACTIVE
        return {**await _added(services, caller, found), **_of_access_token(services, caller, found)}
    if isinstance(caller, Client):
        family = await services.families.shown(token, client_id=caller.id, rotates=caller.public, now=now)
        if family is not None:
            return await _of_refresh_token(services, caller, family)
    return INACTIVE


def may_learn(caller: Caller, token: Shown) -> bool:
    """An API learns of tokens that it is an audience of, a client of those that it was given; RFC 6819 §4.6.5."""
    if isinstance(caller, Client):
        return token.client.id == caller.id
    return caller.id in token.audience


def signing_alg(caller: Caller) -> str:
    """What a signed answer to this caller is signed with."""
    return caller.alg if isinstance(caller, Resource) else caller.id_token_signed_response_alg


def signed(services: Services, caller: Caller, members: dict[str, Any], now: float) -> str:
    """The answer as a JWT for this caller alone, RFC 9701 §5."""
    return introspection.sign(
        members,
        services.keys.snapshot.signer("token", signing_alg(caller)),
        issuer=services.issuer,
        audience=caller.id,
        iat=now,
    )


def _of_access_token(services: Services, caller: Caller, token: Shown) -> dict[str, Any]:
    family, user = token.family, token.user
    status = mint.status_of(services, family)
    audiences = sorted(token.audience)
    members: dict[str, Any] = {
        "active": True,
        "iss": services.issuer,
        "sub": user.id if user is not None else token.client.id,
        "aud": audiences[0] if len(audiences) == 1 else audiences,
        "client_id": token.client.id,
        "token_type": "Bearer",
        "iat": token.iat,
        "exp": token.exp,
        "jti": token.jti,
        "sid": family.session_id or family.id,
        "status": {"status_list": {"idx": status.idx, "uri": status.uri}},
    }
    if token.scope:
        members["scope"] = " ".join(sorted(token.scope))
    if user is not None:
        members |= {"auth_time": int(family.auth_time), "acr": family.acr, "amr": list(family.amr)}
    if user is not None and isinstance(caller, Resource):  # what APIs decide by is nothing for the client
        members |= {
            name: sorted(labels)
            for name, labels in (("roles", user.roles), ("groups", user.groups))
            if labels
        }
    return members


async def _added(services: Services, caller: Caller, token: Shown) -> Mapping[str, Any]:
    """What an application adds, for the APIs that would read it in a JWT."""
    if services.hook is None or token.user is None or not isinstance(caller, Resource):
        return {}
    return await hook.of_shown(
        services, client=token.client, user=token.user, audience=token.family.audience, scope=token.scope
    )


async def _of_refresh_token(services: Services, client: Client, family: Family) -> dict[str, Any]:
    """No `token_type`, since it is none that an API takes (RFC 6749 §7.1); and no `aud`, for the same reason."""
    user = await services.accounts.get(family.user_id) if family.user_id is not None else None
    if family.user_id is not None and (user is None or user.is_disabled):
        return INACTIVE
    scope = mint.granted_scope(services, client, user, family)
    members: dict[str, Any] = {
        "active": True,
        "iss": services.issuer,
        "sub": family.user_id or client.id,
        "client_id": client.id,
        "iat": int(family.created_at),
        "exp": int(services.families.good_until(family)),
        "sid": family.session_id or family.id,
    }
    if scope:
        members["scope"] = " ".join(sorted(scope))
    return members
