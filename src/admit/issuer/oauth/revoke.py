"""Token revocation, RFC 7009 §2: a refresh token ends its family, and with it every access token of it."""

from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services


async def revoke(services: Services, client: Client, form: Parameters, info: RequestInfo, now: float) -> None:
    """End the family of the client's own refresh token; an unknown token is no error, RFC 7009 §2.2.

    `token_type_hint` is not needed: only refresh tokens have their form.
    """
    await services.families.revoke(form.required("token"), client_id=client.id, info=info, now=now)
