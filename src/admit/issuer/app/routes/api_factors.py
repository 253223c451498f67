"""`/api/second-factors`: the caller's authenticator apps, and the removal of one (contracts §11).

They are added on our own page only: no application sees the secret.
"""

from starlette.responses import Response

from admit.credentials import csrf
from admit.credentials.cors import CorsPolicy
from admit.errors import SessionError
from admit.issuer.app import answers
from admit.issuer.app.api import query, shapes
from admit.issuer.app.api.caller import Callers
from admit.issuer.app.api.described import FRESH, Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.routes.account_second_factor import may_change
from admit.issuer.factors.records import Refusal, Refused
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.sessions.errors import ReauthenticationError


def routes(app: App, callers: Callers, origins: frozenset[str]) -> list[Route]:
    """GET lists; DELETE takes one away. `origins` are those whose pages may use the session cookie."""
    factors = app.services.factors

    async def get(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        return answers.json(shapes.second_factors(await factors.view(caller.user.id)))

    async def delete(call: Call) -> Response:
        query.flags(call)
        # By the cookie alone: a token is with a program, and takes nobody's second factor away.
        found = await app.session(call)
        if found is None:
            raise SessionError("no live session")
        raw, session = found
        csrf.check(call.headers, "DELETE", origins=origins, raw_id=raw)
        fresh = app.is_fresh(call, session)
        if not fresh or not may_change(session, has_app=await factors.has_app(session.user.id)):
            raise ReauthenticationError("the sign-in is too old, or showed no second factor")
        gone = await factors.remove(
            session.user, call.path_value, keep=session.id, info=call.info, now=call.now
        )
        if gone is None:
            raise answers.NotFoundError("no such app of this user")
        if isinstance(gone, Refused):
            last = gone.reason is Refusal.FULL
            raise InvalidRequestError(
                gone.reason.value,
                public="A second factor is required: add another one first."
                if last
                else "The account was changed meanwhile. Ask again.",
            )
        return Response(status_code=204)

    return [
        Route(
            path="/api/second-factors", handlers={"GET": get}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "GET": Operation(
                    id="listSecondFactors", summary="The caller's authenticator apps, the oldest first",
                    who=Who.USER, shape="SecondFactors",
                ),
            },
        ),
        Route(
            path="/api/second-factors/*", value="id", handlers={"DELETE": delete}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "DELETE": Operation(
                    id="removeSecondFactor", summary="Remove an authenticator app of the caller",
                    who=Who.SESSION, shape=None, missing="The caller has no such app.", fresh=FRESH,
                ),
            },
        ),
    ]  # fmt: skip
