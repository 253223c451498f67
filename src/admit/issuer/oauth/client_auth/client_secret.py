"""`client_secret_basic` and `client_secret_post`, RFC 6749 §2.3.1."""

import binascii
from base64 import b64decode
from urllib.parse import unquote_plus

from admit.issuer.clients import rules
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.parameters import Parameters


async def basic(authorization: bytes | None, clients: Clients) -> Client:
    """Basic, RFC 7617 §2, with id and secret form-encoded before they are joined by a colon (RFC 6749 §2.3.1)."""
    client_id, secret = parse_basic(authorization)
    return await _verified(client_id, secret, clients)


async def post(form: Parameters, clients: Clients) -> Client:
    """Id and secret in the body; never in the URL, which is not read for them."""
    return await _verified(form.get("client_id", ""), form["client_secret"], clients)


def parse_basic(authorization: bytes | None) -> tuple[str, str]:
    """Id and secret of a Basic header, or InvalidClientError."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        raise InvalidClientError("not Basic")
    try:
        client_id, colon, secret = (
            b64decode(authorization[6:].strip(b" "), validate=True).decode().partition(":")
        )
        client_id, secret = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise InvalidClientError("Basic does not decode") from error
    if not colon:
        raise InvalidClientError("Basic without a colon")
    return client_id, secret


async def _verified(client_id: str, secret: str, clients: Clients) -> Client:
    client = await clients.find(client_id)
    if client is None or client.public or not rules.verify_secret(client.secret_hashes, secret):
        raise InvalidClientError("unknown client or wrong secret")
    return client
