"""`/session/lookup`: who a session cookie speaks for, asked by an API that shares the issuer's host (contracts §4)."""

from contextlib import suppress

from starlette.responses import Response

from admit.credentials import lookup
from admit.errors import MalformedTokenError
from admit.issuer.app import answers
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.clients import rules as clients
from admit.issuer.clients.records import Resource
from admit.issuer.clients.registry import Registry
from admit.issuer.oauth import refusals
from admit.issuer.oauth.client_auth.client_secret import parse_basic
from admit.issuer.oauth.errors import InvalidClientError, InvalidRequestError, UnsupportedMediaTypeError
from admit.issuer.sessions.lookup import DirectLookup
from admit.jose import base64url
from admit.jose import json as strict_json


def routes(app: App, sessions: DirectLookup) -> list[Route]:
    """POST only, for resources that have a secret."""

    async def authenticated(call: Call) -> Resource:
        authorization, registry = call.header(b"authorization"), app.services.registry
        try:
            return authenticate(authorization, registry)
        except InvalidClientError:
            with suppress(InvalidClientError):
                claimed = registry.resource(parse_basic(authorization)[0])
                if claimed is not None:
                    await refusals.count_wrong_secret(app.services, claimed.id, info=call.info, now=call.now)
            raise

    async def post(call: Call) -> Response:
        resource = await authenticated(call)
        found = await sessions.find(await read_id_hash(call), resource.id, call.now)
        if found is None:
            return answers.plain_error(404, "session_not_found", "No live session has this id.")
        return Response(lookup.encode(found), media_type=answers.JSON)

    return [
        Route(
            path="/session/lookup", handlers={"POST": post}, face=Face.JSON,
            exempt="no cookie is read; the resource's secret is the proof", who=Who.RESOURCE,
        )
    ]  # fmt: skip


def authenticate(authorization: bytes | None, registry: Registry) -> Resource:
    """The resource whose id and secret the Basic header holds.

    Raises:
        InvalidClientError: anything else.
    """
    resource_id, secret = parse_basic(authorization)
    resource = registry.resource(resource_id)
    kept = resource.secret_hash if resource is not None else None
    if resource is None or kept is None or not clients.verify_secret((kept,), secret):
        raise InvalidClientError("unknown resource or wrong secret")
    return resource


async def read_id_hash(call: Call) -> bytes:
    """The 32 octets of `{"id_hash": base64url}`.

    Raises:
        InvalidRequestError: any other body.
    """
    if (call.header(b"content-type") or b"").split(b";")[0].strip().lower() != b"application/json":
        raise UnsupportedMediaTypeError("content-type")
    try:
        members = strict_json.loads_object(await call.body(1_024))
        id_hash = base64url.decode(members["id_hash"].encode("ascii"))
    except (MalformedTokenError, KeyError, AttributeError, UnicodeEncodeError) as error:
        raise InvalidRequestError("id_hash") from error
    if len(id_hash) != 32 or len(members) != 1:
        raise InvalidRequestError("id_hash")
    return id_hash
