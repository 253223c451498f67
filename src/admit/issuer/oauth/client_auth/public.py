"""`none`: a public client names itself; PKCE and rotation carry the proof, RFC 6749 §2.1, RFC 7591 §2."""

from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.parameters import Parameters


async def authenticate(form: Parameters, clients: Clients) -> Client:
    """The public client that the form's `client_id` names; a client that has a secret must show it."""
    client = await clients.find(form.get("client_id"))
    if client is None or not client.public:
        raise InvalidClientError("unknown client, or one that must authenticate")
    return client
