"""`client_secret_basic` and `client_secret_post`, RFC 6749 §2.3.1."""

import binascii
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from admit.issuer.clients import rules
from admit.issuer.clients.records import AuthMethod, Client
from admit.issuer.oauth.client_auth.presented import Presented, check_method
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.services import Services


async def basic(presented: Presented, services: Services, now: float) -> Client:
    """Basic, RFC 7617 §2, with id and secret form-encoded before they are joined by a colon (RFC 6749 §2.3.1)."""
    client_id, secret = parse_basic(presented.authorization)
    if presented.form.get("client_id", client_id) != client_id:
        raise InvalidClientError("client_id differs from the authenticated client")
    return verified(await services.clients.find(client_id), secret, AuthMethod.CLIENT_SECRET_BASIC)


async def post(presented: Presented, services: Services, now: float) -> Client:
    """Id and secret in the body; never in the URL, which is not read for them."""
    client = await services.clients.find(presented.form.get("client_id"))
    return verified(client, presented.form["client_secret"], AuthMethod.CLIENT_SECRET_POST)


def parse_basic(authorization: bytes | None) -> tuple[str, str]:
    """Id and secret of a Basic header, or InvalidClientError."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        raise InvalidClientError("not Basic")
    try:
        client_id, colon, secret = (
            b64decode(authorization[6:].strip(b" "), validate=True).decode().partition(":")
        )
        client_id, secret = _unquoted(client_id), _unquoted(secret)
    except (binascii.Error, ValueError) as error:
        raise InvalidClientError("Basic does not decode") from error
    if not colon:
        raise InvalidClientError("Basic without a colon")
    return client_id, secret


def _unquoted(text: str) -> str:
    """`unquote_plus`, for what is asked all day: in one go, and not at all where nothing is quoted."""
    if "+" in text:
        text = text.replace("+", " ")
    return unquote_to_bytes(text).decode() if "%" in text else text


def verified(client: Client | None, secret: str, method: AuthMethod) -> Client:
    """The client, once its secret was shown in a way that it may. Compared for everybody: nobody is told by the time
    that it takes whether there is such a client.
    """
    right = rules.verify_secret(client.secret_hashes if client is not None else (), secret)
    client = check_method(client, method)
    if not right:
        raise InvalidClientError("wrong secret")
    return client
