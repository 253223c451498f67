"""`/token`: the token endpoint, RFC 6749 §3.2. A hot path: no framework request object, one read of the body."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.client_call import client_of
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth import token
from admit.issuer.oauth.errors import InvalidRequestError


def refuse_query(call: Call) -> None:
    """What stands in an address stands in logs, RFC 6749 §2.3.1.

    Raises:
        InvalidRequestError: there is a query, whatever it says.
    """
    if call.scope.get("query_string"):
        raise InvalidRequestError("query", public="Send the parameters in the body.")


def routes(app: App) -> list[Route]:
    """POST only."""

    async def post(call: Call) -> Response:
        refuse_query(call)
        form = await call.form()
        client = await client_of(app, call, form)
        response = await token.respond(app.services, client, form, call.info, call.now)
        return answers.json(response.members())

    return [
        Route(
            path="/token", handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.REGISTERED,
            exempt="no cookie is read; the grant itself is the proof", who=Who.CLIENT,
        )
    ]  # fmt: skip
