"""`/par`: the pushed authorization request endpoint, RFC 9126 §2."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.client_call import client_of
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.token import refuse_query
from admit.issuer.oauth.authorize.push import push


def routes(app: App) -> list[Route]:
    """POST only."""

    async def post(call: Call) -> Response:
        refuse_query(call)
        form = await call.form()
        client = await client_of(app, call, form)
        return answers.json(await push(app.services, client, form, call.info, call.now), status=201)

    return [
        Route(
            path="/par", handlers={"POST": post}, face=Face.JSON, cors=CorsPolicy.REGISTERED,
            exempt="no cookie is read; nothing is granted before a page of ours is answered", who=Who.CLIENT,
        )
    ]  # fmt: skip
