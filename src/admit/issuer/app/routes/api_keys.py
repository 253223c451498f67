"""`/api/keys/{kid}`: the end of a signing key that was stolen (contracts §3.7, §11)."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.api import query
from admit.issuer.app.api.caller import Callers
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.clients.rules import KEYS_SCOPE


def routes(app: App, callers: Callers) -> list[Route]:
    """DELETE only. Everybody's tokens depend on it, so that `admit:sessions` does not open it."""

    async def delete(call: Call) -> Response:
        caller = await callers.operator(
            call, KEYS_SCOPE
        )  # before anything is looked up: strangers learn nothing
        query.flags(call)
        if not await app.services.keys.revoke(call.path_value, call.now, actor=caller.user.id):
            raise answers.NotFoundError("no such key, or revoked before")
        return Response(status_code=204)

    return [
        Route(
            path="/api/keys/*", value="kid", handlers={"DELETE": delete}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "DELETE": Operation(
                    id="revokeKey",
                    summary="Stop trusting a signing key and all that it signed; another takes over",
                    who=Who.OPERATOR, shape=None, scope=KEYS_SCOPE,
                    missing="There is no such key, or it was revoked before.",
                ),
            },
        )
    ]  # fmt: skip
