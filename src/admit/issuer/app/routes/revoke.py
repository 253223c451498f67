"""`/revoke`: token revocation, RFC 7009."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.errors import AdmitError
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth import client_auth, refusals, revoke


def routes(app: App) -> list[Route]:
    """POST only."""

    async def post(call: Call) -> Response:
        form = await call.form()
        presented = client_auth.Presented(call.header(b"authorization"), form)
        try:
            client = await refusals.authenticated(app.services, presented, info=call.info, now=call.now)
        except AdmitError:
            claimed = await client_auth.claimed(presented, app.services.clients)
            call.client_id = claimed.id if claimed is not None else None
            raise
        call.client_id = client.id
        await revoke.revoke(app.services, client, form, call.info, call.now)
        return Response(status_code=200)

    return [
        Route(
            path="/revoke", handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.REGISTERED,
            exempt="no cookie is read; the token itself is the proof", who=Who.CLIENT,
        )
    ]  # fmt: skip
