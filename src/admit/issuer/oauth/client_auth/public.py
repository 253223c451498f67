"""`none`: a public client names itself; PKCE and rotation carry the proof, RFC 6749 §2.1, RFC 7591 §2."""

from admit.issuer.clients.records import AuthMethod, Client
from admit.issuer.oauth.client_auth.presented import Presented, check_method
from admit.issuer.oauth.services import Services


async def authenticate(presented: Presented, services: Services, now: float) -> Client:
    """The public client that the form's `client_id` names; a client that has a secret or a key must show it."""
    return check_method(await services.clients.find(presented.form.get("client_id")), AuthMethod.NONE)
