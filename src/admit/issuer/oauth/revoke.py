"""Token revocation, RFC 7009 §2: whichever token of a grant is shown, the grant's family ends, and all its tokens."""

from admit.issuer.audit.records import RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.oauth import shown
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services


async def revoke(services: Services, client: Client, form: Parameters, info: RequestInfo, now: float) -> None:
    """End the family of the client's own refresh token or access token, §2.1; an unknown token is no error, §2.2.

    `token_type_hint` is tolerated and not needed: each kind of token has a form of its own. All kinds that there are
    can be revoked, so nobody is ever told `unsupported_token_type`.
    """
    token = form.required("token")
    if await services.families.revoke(token, client_id=client.id, info=info, now=now):
        return
    found = await shown.access_token(services, token, now)
    if found is not None:
        await services.families.revoke_family(found.family.id, client_id=client.id, info=info, now=now)
