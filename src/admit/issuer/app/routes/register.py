"""`/clients` and `/clients/{id}`: clients register themselves, RFC 7591, and look after it, RFC 7592."""

from typing import Any

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.errors import MalformedTokenError
from admit.issuer.app import answers
from admit.issuer.app.api.body import is_json
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.clients import metadata
from admit.issuer.clients.errors import InvalidClientMetadataError, RegistrationTokenError
from admit.issuer.clients.registration import Registered, Registration
from admit.issuer.oauth.errors import InvalidRequestError
from admit.jose import json

PATH = "/clients"
REASON = "the client removed itself"


def routes(app: App, registration: Registration) -> list[Route]:
    """None while registration is off. No cookie is read, so every page may call: what is asked of it is a token."""
    if not registration.config.enabled:
        return []

    async def post(call: Call) -> Response:
        members = await read_body(call)
        registered = await registration.register(members, bearer(call), info=call.info, now=call.now)
        call.client_id = registered.client.id
        return answers.json(told(app.issuer, registered), status=201)

    async def get(call: Call) -> Response:
        found = await registration.read(call.path_value, bearer(call))
        call.client_id = found.client.id
        return answers.json(told(app.issuer, found))

    async def put(call: Call) -> Response:
        members, token = await read_body(call), bearer(call)
        replaced = await registration.replace(call.path_value, token, members, info=call.info, now=call.now)
        call.client_id = replaced.client.id
        return answers.json(told(app.issuer, replaced))

    async def delete(call: Call) -> Response:
        presented = await registration.presented(call.path_value, bearer(call))
        ended = await app.services.consents.remove_registered(
            call.path_value, presented=presented, reason=REASON, info=call.info, now=call.now
        )
        if ended is None:  # an update was faster: the client is there, under another token
            raise RegistrationTokenError("registration access token")
        return Response(status_code=204)

    exempt = "no cookie is read; the token itself is the proof"
    return [
        Route(path=PATH, handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.EVERYBODY, exempt=exempt),
        Route(
            path=f"{PATH}/*", handlers={"GET": get, "PUT": put, "DELETE": delete}, face=Face.JSON,
            cors=CorsPolicy.EVERYBODY, exempt=exempt,
        ),
    ]  # fmt: skip


def bearer(call: Call) -> str | None:
    """The token of the Authorization header, RFC 6750 §2.1; None where there is no header.

    Raises:
        InvalidRequestError: another scheme, or no such token.
    """
    header = call.header(b"authorization")
    if header is None:
        return None
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not token.strip() or " " in token.strip():
        raise InvalidRequestError("authorization", public="Authorization wants Bearer and one token.")
    return token.strip()


async def read_body(call: Call) -> dict[str, Any]:
    """The metadata that was sent.

    Raises:
        PayloadTooLargeError: too much of it.
        InvalidClientMetadataError: not sent as JSON, or not one strict JSON object.
    """
    if not is_json(call.header(b"content-type")):
        raise InvalidClientMetadataError("content-type", public="Send the metadata as application/json.")
    try:
        return json.loads_object(await call.body(metadata.MAX_BODY))
    except MalformedTokenError as error:
        raise InvalidClientMetadataError("not a JSON object") from error


def told(issuer: str, registered: Registered) -> dict[str, Any]:
    """The client information response, RFC 7591 §3.2.1. A secret is shown when it is new, and never again."""
    members: dict[str, Any] = {
        **metadata.told(registered.client),
        "client_id_issued_at": int(registered.issued_at),
        "registration_client_uri": f"{issuer}{PATH}/{registered.client.id}",
    }
    if registered.client.secret_hashes:
        members["client_secret_expires_at"] = 0
    if registered.secret is not None:
        members["client_secret"] = registered.secret
    if registered.registration_access_token is not None:
        members["registration_access_token"] = registered.registration_access_token
    return members
