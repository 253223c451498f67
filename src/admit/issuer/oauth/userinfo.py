"""What `/userinfo` answers, OpenID Connect Core §5.3."""

from typing import Any

from admit.errors import TokenError
from admit.issuer.accounts import rules as accounts
from admit.issuer.oauth.errors import InvalidTokenError
from admit.issuer.oauth.services import Services
from admit.issuer.revocation import StatusRef
from admit.tokens import access, status_list


async def userinfo(services: Services, bearer: str, now: float) -> dict[str, Any]:
    """The claims of the token's subject that its scopes open.

    The issuer looks the family up, so an ended one is refused at once.

    Raises:
        InvalidTokenError: not an access token for the issuer with scope `openid`, or its family or user is over.
    """
    try:
        token = access.verify(
            bearer,
            services.keys.snapshot.published(),
            issuer=services.issuer,
            audience=services.issuer,
            now=now,
        )
    except TokenError as error:
        raise InvalidTokenError(type(error).__name__) from error
    await check_alive(services, token)
    user = await services.accounts.get(token.subject)
    if user is None or user.is_disabled or "openid" not in token.scope:
        raise InvalidTokenError("user or scope")
    return {"sub": user.id, **accounts.standard_claims(user, token.scope)}


async def check_alive(services: Services, token: access.AccessToken) -> None:
    """Its family's bit is not set in what the database says now.

    Raises:
        InvalidTokenError: it was ended, or the token names no family of ours.
    """
    n = status_list.number(services.issuer, token.status.uri) if token.status is not None else None
    if token.status is None or n is None:
        raise InvalidTokenError("the token names no family")
    state = await services.status.refresh()
    if state.is_ended(StatusRef(n, token.status.idx)):
        raise InvalidTokenError("the family was ended")
