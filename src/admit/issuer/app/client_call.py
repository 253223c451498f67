"""Which client calls: one way in for `/token` and its kin, so that all of them authenticate alike, RFC 6749 §2.3."""

from admit.errors import AdmitError
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.clients.records import Client
from admit.issuer.oauth import client_auth, refusals
from admit.issuer.oauth.parameters import Parameters


async def client_of(app: App, call: Call, form: Parameters) -> Client:
    """The client that the call proves, noted for the operator; where it fails, the one in whose name it came.

    Raises:
        InvalidRequestError, InvalidClientError: as `client_auth.authenticate` does.
        ThrottledError: too many wrong proofs in this client's name from this network.
    """
    presented = client_auth.Presented(call.header(b"authorization"), form)
    try:
        client = await refusals.authenticated(app.services, presented, info=call.info, now=call.now)
    except AdmitError:
        claimed = await client_auth.claimed(presented, app.services.clients)
        call.client_id = claimed.id if claimed is not None else None
        raise
    call.client_id = client.id
    return client
