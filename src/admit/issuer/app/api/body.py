"""The JSON body of an API call: one small object with known members, read strictly."""

from collections.abc import Collection
from typing import Any, Final

from admit.errors import MalformedTokenError
from admit.issuer.app.call import Call
from admit.issuer.oauth.errors import InvalidRequestError, JsonWantedError
from admit.jose import json

MAX_SIZE: Final = 4_096


async def members(call: Call, known: Collection[str]) -> dict[str, Any]:
    """The members of the body: exactly the known ones.

    Raises:
        JsonWantedError: not sent as JSON; a form of another site could be taken for it otherwise.
        PayloadTooLargeError: more than 4 KiB.
        InvalidRequestError: not one strict JSON object, or with other members.
    """
    if not is_json(call.header(b"content-type")):
        raise JsonWantedError("content-type")
    try:
        found = json.loads_object(await call.body(MAX_SIZE))
    except MalformedTokenError as error:
        raise InvalidRequestError("body") from error
    if found.keys() != set(known):
        raise InvalidRequestError("members", public="The body's members are not the ones that are wanted.")
    return found


def is_json(content_type: bytes | None) -> bool:
    """The one media type that the API reads, RFC 8259 §11."""
    return (content_type or b"").split(b";")[0].strip().lower() == b"application/json"
