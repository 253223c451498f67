"""`/api/grants`: which applications the caller let in, and ends of it (contracts §11)."""

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
    """The list, and one of it."""
    families = app.services.families

    async def get(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        found = await families.list(caller.user.id, call.now)
        clients = await app.services.clients.find_many(family.client_id for family in found)
        return answers.json(shapes.grants(found, clients))

    async def delete_one(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        ended = await families.end(
            call.path_value, user_id=caller.user.id, reason=REASON, info=call.info, now=call.now
        )
        if not ended:
            raise answers.NotFoundError("no such grant of this user")
        return Response(status_code=204)

    return [
        Route(
            path="/api/grants", handlers={"GET": get}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "GET": Operation(
                    id="listGrants", summary="Which applications the caller let in, the newest first",
                    who=Who.USER, shape="Grants",
                ),
            },
        ),
        Route(
            path="/api/grants/*", value="id", handlers={"DELETE": delete_one}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "DELETE": Operation(
                    id="endGrant", summary="End one grant of the caller, with its tokens", who=Who.USER,
                    shape=None, missing="The caller has no such grant, or it is over.",
                ),
            },
        ),
    ]  # fmt: skip
