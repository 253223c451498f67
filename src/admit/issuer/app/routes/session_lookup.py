"""`/session/lookup`: who a session cookie speaks for, asked by an API that shares the issuer's host (contracts §4)."""

from starlette.responses import Response

from admit.credentials import lookup
from admit.errors import MalformedTokenError
from admit.issuer.app import answers
from admit.issuer.app.api.body import is_json
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth import resource_auth
from admit.issuer.oauth.errors import InvalidRequestError, JsonWantedError
from admit.issuer.sessions.lookup import DirectLookup
from admit.jose import base64url
from admit.jose import json as strict_json


def routes(app: App, sessions: DirectLookup) -> list[Route]:
    """POST only, for resources that have a secret."""

    async def post(call: Call) -> Response:
        resource = await resource_auth.authenticated(
            app.services, call.header(b"authorization"), info=call.info, now=call.now
        )
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


async def read_id_hash(call: Call) -> bytes:
    """The 32 octets of `{"id_hash": base64url}`.

    Raises:
        JsonWantedError: not sent as JSON. PayloadTooLargeError: more than 1 KiB. InvalidRequestError: any other body.
    """
    if not is_json(call.header(b"content-type")):
        raise JsonWantedError("content-type")
    try:
        members = strict_json.loads_object(await call.body(1_024))
        id_hash = base64url.decode(members["id_hash"].encode("ascii"))
    except (MalformedTokenError, KeyError, AttributeError, UnicodeEncodeError) as error:
        raise InvalidRequestError("id_hash") from error
    if len(id_hash) != 32 or len(members) != 1:
        raise InvalidRequestError("id_hash")
    return id_hash
