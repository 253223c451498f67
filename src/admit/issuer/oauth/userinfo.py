"""What `/userinfo` answers, OpenID Connect Core §5.3."""

from typing import Any

from admit.credentials import StatusRef
from admit.errors import InsufficientScopeError, RevokedError, TokenError
from admit.issuer.accounts import rules as accounts
from admit.issuer.oauth.services import Services
from admit.tokens import access, status_list


async def userinfo(services: Services, bearer: str, now: float) -> dict[str, Any]:
    """The claims of the token's subject that its scopes open.

    The issuer looks the family up, so an ended one is refused at once.

    Raises:
        TokenError: not an access token for the issuer, or its family or user is over.
        InsufficientScopeError: it lacks the scope `openid`.
    """
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
    if "openid" not in token.scope:
        raise InsufficientScopeError("openid is missing", scope="openid")
    return {"sub": user.id, **accounts.standard_claims(user, token.scope)}


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
