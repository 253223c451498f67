"""`/api/consents`: what the caller said yes to, and the taking back of it (contracts §11)."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.api import query, shapes
from admit.issuer.app.api.caller import Callers
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.api_sessions import REASON


def routes(app: App, callers: Callers) -> list[Route]:
    """The list, and all of one client."""
    consents = app.services.consents

    async def get(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        found = await consents.list(caller.user.id)
        clients = await app.services.clients.find_many(one.client_id for one in found)
        return answers.json(shapes.consents(found, clients))

    async def delete_one(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        taken = await consents.take_back(
            caller.user.id, call.path_value, reason=REASON, info=call.info, now=call.now
        )
        if not taken:
            raise answers.NotFoundError("nothing was granted to such a client by this user")
        return Response(status_code=204)

    return [
        Route(
            path="/api/consents", handlers={"GET": get}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "GET": Operation(
                    id="listConsents", summary="What the caller is remembered to have said yes to, the newest first",
                    who=Who.USER, shape="Consents",
                ),
            },
        ),
        Route(
            path="/api/consents/*", value="client_id", handlers={"DELETE": delete_one}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "DELETE": Operation(
                    id="takeBackConsent",
                    summary="Take back what the caller let a client do: its grants end, and it has to ask again",
                    who=Who.USER, shape=None, missing="The caller has let no such client in, or took that back.",
                ),
            },
        ),
    ]  # fmt: skip
