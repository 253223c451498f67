"""Who calls the token endpoint and its kin: one file a method, one table, RFC 6749 §2.3, RFC 7521 §4.2.

A client uses exactly one method in a request, and only its own. Public clients use `none`; clients with a secret send
it by Basic or in the body, as they like (contracts §7); clients with a key of their own sign with it.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.oauth.client_auth import client_secret, private_key_jwt, public
from admit.issuer.oauth.client_auth.presented import Presented
from admit.issuer.oauth.errors import InvalidClientError, InvalidRequestError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services

__all__ = ["METHODS", "Method", "Presented", "authenticate", "claimed", "method_of"]

Method = Callable[[Presented, Services, float], Awaitable[Client]]

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "none": public.authenticate,
        "client_secret_basic": client_secret.basic,
        "client_secret_post": client_secret.post,
        "private_key_jwt": private_key_jwt.authenticate,
    }
)


async def authenticate(presented: Presented, services: Services, now: float) -> Client:
    """The client that the request proves.

    Raises:
        InvalidRequestError: two methods at once, RFC 6749 §2.3; a part of one is missing.
        InvalidClientError: unknown client, wrong or missing proof, or another method than its kind of client has.
    """
    return await METHODS[method_of(presented)](presented, services, now)


def method_of(presented: Presented) -> str:
    """The one method that a request uses.

    Raises:
        InvalidRequestError: it uses two.
    """
    used = used_in(presented)
    if len(used) > 1:
        raise InvalidRequestError("two client authentication methods", public="Use one way to authenticate.")
    return used[0] if used else "none"


def used_in(presented: Presented) -> list[str]:
    """All methods that a request shows a part of."""
    form: Parameters = presented.form
    used = {
        "client_secret_basic": presented.authorization is not None,
        "client_secret_post": "client_secret" in form,
        "private_key_jwt": "client_assertion" in form or "client_assertion_type" in form,
    }
    return [name for name, is_used in used.items() if is_used]


async def claimed(presented: Presented, clients: Clients) -> Client | None:
    """The registered client in whose name an unproven request came: for the audit, good for nothing else."""
    client_id = presented.form.get("client_id")
    with suppress(InvalidClientError, InvalidRequestError):
        if presented.authorization is not None:
            client_id, _ = client_secret.parse_basic(presented.authorization)
        elif "client_assertion" in presented.form:
            client_id = private_key_jwt.client_id_of(private_key_jwt.parse(presented.form), presented.form)
    return await clients.find(client_id)
