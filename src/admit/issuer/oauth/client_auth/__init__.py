"""Who calls the token endpoint: one file a method, one table, RFC 6749 §2.3.

A client uses exactly one method in a request. Public clients use `none`; clients with a secret may send it by Basic
or in the body, whichever of the two they registered (contracts §7).
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.oauth.client_auth import client_secret, public
from admit.issuer.oauth.errors import InvalidClientError, InvalidRequestError
from admit.issuer.oauth.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request brought to prove its client: the Authorization header, if any, and the form."""

    authorization: bytes | None
    form: Parameters


Method = Callable[[Presented, Clients], Awaitable[Client]]

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "none": lambda presented, clients: public.authenticate(presented.form, clients),
        "client_secret_basic": lambda presented, clients: client_secret.basic(
            presented.authorization, clients
        ),
        "client_secret_post": lambda presented, clients: client_secret.post(presented.form, clients),
    }
)


async def authenticate(presented: Presented, clients: Clients) -> Client:
    """The client that the request proves.

    Raises:
        InvalidRequestError: two methods at once, RFC 6749 §2.3.
        InvalidClientError: unknown client, wrong or missing secret, or another method than its kind of client has.
    """
    basic = presented.authorization is not None
    post = "client_secret" in presented.form
    if basic and post:
        raise InvalidRequestError("two client authentication methods", public="Use one way to authenticate.")
    client = await METHODS["client_secret_basic" if basic else "client_secret_post" if post else "none"](
        presented, clients
    )
    if basic and presented.form.get("client_id", client.id) != client.id:
        raise InvalidClientError("client_id differs from the authenticated client")
    return client


async def claimed(presented: Presented, clients: Clients) -> Client | None:
    """The registered client in whose name an unproven request came: for the audit, good for nothing else."""
    client_id = presented.form.get("client_id")
    if presented.authorization is not None:
        with suppress(InvalidClientError):
            client_id, _ = client_secret.parse_basic(presented.authorization)
    return await clients.find(client_id)
