"""`/revoke`: token revocation, RFC 7009."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.client_call import client_of
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.token import refuse_query
from admit.issuer.oauth import revoke


def routes(app: App) -> list[Route]:
    """POST only."""

    async def post(call: Call) -> Response:
        refuse_query(call)
        form = await call.form()
        client = await client_of(app, call, form)
        await revoke.revoke(app.services, client, form, call.info, call.now)
        return Response(status_code=200)

    return [
        Route(
            path="/revoke", handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.REGISTERED,
            exempt="no cookie is read; the token itself is the proof", who=Who.CLIENT,
        )
    ]  # fmt: skip
