"""The token endpoint's grant types: one file each, one table, RFC 6749 §4, §6."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from admit.issuer.audit.records import AuditEvent, RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.oauth import refusals
from admit.issuer.oauth.errors import (
    InvalidScopeError,
    InvalidTargetError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token.authorization_code import redeem
from admit.issuer.oauth.token.client_credentials import act_for_itself
from admit.issuer.oauth.token.mint import TokenResponse
from admit.issuer.oauth.token.refresh_token import refresh

Grant = Callable[[Services, Client, Parameters, RequestInfo, float], Awaitable[TokenResponse]]

GRANT_TYPES: Mapping[str, Grant] = MappingProxyType(
    {
        "authorization_code": redeem,
        "client_credentials": act_for_itself,
        "refresh_token": refresh,
    }
)


def offered(grant_type: str) -> Grant:
    """The grant of this type. There is no password grant (RFC 9700 §2.4), and none can be configured.

    Raises:
        UnsupportedGrantTypeError: the table has no such row.
    """
    grant = GRANT_TYPES.get(grant_type)
    if grant is None:
        raise UnsupportedGrantTypeError
    return grant


async def respond(
    services: Services, client: Client, form: Parameters, info: RequestInfo, now: float
) -> TokenResponse:
    """The token response for a request whose client is authenticated.

    Raises:
        OAuthError: as RFC 6749 §5.2 names them.
    """
    grant_type = form.required("grant_type")
    grant = offered(grant_type)
    try:
        if grant_type not in client.grant_types:
            raise UnauthorizedClientError
        return await grant(services, client, form, info, now)
    except (UnauthorizedClientError, InvalidScopeError, InvalidTargetError) as error:
        await refusals.of_client(
            services, AuditEvent.TOKEN_REFUSED, client.id, error.code, info=info, now=now
        )
        raise
