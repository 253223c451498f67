"""`/api/clients/{client_id}/grants`: the end of all that was granted to a client (contracts §11)."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.api import query, shapes
from admit.issuer.app.api.caller import Callers, as_operator
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.api_users import REASON


def routes(app: App, callers: Callers) -> list[Route]:
    """DELETE only."""
    clients = app.services.clients

    async def delete(call: Call) -> Response:
        caller = await callers.operator(call)  # before anything is looked up: strangers learn nothing
        query.flags(call)
        await clients.check_known(call.path_value)
        ended = await app.services.consents.end_of_client(
            call.path_value, reason=REASON, info=as_operator(call, caller), now=call.now
        )
        return answers.json(shapes.ended(grants=ended, within=app.refused_within))

    return [
        Route(
            path="/api/clients/*/grants", value="client_id", handlers={"DELETE": delete}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "DELETE": Operation(
                    id="endGrantsOfClient",
                    summary="End all that was ever granted to a client, which may be granted more at once",
                    who=Who.OPERATOR, shape="Ended", missing="There is no such client, and there never was.",
                ),
            },
        )
    ]  # fmt: skip
