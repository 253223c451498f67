"""`/par`: the pushed authorization request endpoint, RFC 9126 §2."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.errors import AdmitError
from admit.issuer.app import answers
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.token import refuse_query
from admit.issuer.oauth import client_auth, refusals
from admit.issuer.oauth.authorize.push import push


def routes(app: App) -> list[Route]:
    """POST only."""

    async def post(call: Call) -> Response:
        refuse_query(call)
        form = await call.form()
        presented = client_auth.Presented(call.header(b"authorization"), form)
        try:
            client = await refusals.authenticated(app.services, presented, info=call.info, now=call.now)
        except AdmitError:
            claimed = await client_auth.claimed(presented, app.services.clients)
            call.client_id = claimed.id if claimed is not None else None
            raise
        call.client_id = client.id
        return answers.json(await push(app.services, client, form, call.info, call.now), status=201)

    return [
        Route(
            path="/par", handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.REGISTERED,
            exempt="no cookie is read; nothing is granted before a page of ours is answered", who=Who.CLIENT,
        )
    ]  # fmt: skip
