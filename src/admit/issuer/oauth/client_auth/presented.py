"""What a request brought to prove its client, and whether the client may be proven that way."""

from dataclasses import dataclass

from admit.issuer.clients import authentication
from admit.issuer.clients.records import AuthMethod, Client
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Presented:
    """The Authorization header, if any, and the form."""

    authorization: bytes | None
    form: Parameters


def check_method(client: Client | None, method: AuthMethod) -> Client:
    """The client, if there is one and this is its way to prove itself, RFC 7591 §2, RFC 6819 §5.2.3.6.

    Raises:
        InvalidClientError: nobody has the id, or the client authenticates otherwise.
    """
    if client is None or not authentication.may_use(client, method):
        raise InvalidClientError("unknown client, or one that authenticates otherwise")
    return client
