"""`/api/users/{subject}/sessions`: what an operator sees and ends of another's sessions (contracts §11)."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.app import answers
from admit.issuer.app.api import query, shapes
from admit.issuer.app.api.caller import Caller, Callers, as_operator
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route

REASON = "ended by an operator"
FLAGS = {"offline": "Also what was granted for the time while the user is away."}
_MISSING = "There is no such user."


def routes(app: App, callers: Callers) -> list[Route]:
    """All sessions of one user."""
    services = app.services

    async def asked(call: Call) -> tuple[Caller, str]:
        caller = await callers.operator(call)  # before anything is looked up: strangers learn nothing
        if await services.accounts.kept(call.path_value) is None:
            raise UserNotFoundError
        return caller, call.path_value

    async def get(call: Call) -> Response:
        caller, subject = await asked(call)
        query.flags(call)
        entries = await services.sessions.list(subject, call.now)
        return answers.json(shapes.sessions(entries, current=caller.session_id))

    async def delete(call: Call) -> Response:
        caller, subject = await asked(call)
        chosen = query.flags(call, FLAGS)
        end = services.sessions.end_everything if chosen["offline"] else services.sessions.end_all
        ended = await end(subject, reason=REASON, info=as_operator(call, caller), now=call.now)
        answer = answers.json(
            shapes.ended(sessions=ended.sessions, grants=ended.grants, within=app.refused_within)
        )
        if caller.by_cookie and subject == caller.user.id:
            app.cookies.clear_session(answer)
        return answer

    return [
        Route(
            path="/api/users/*/sessions", value="subject", handlers={"GET": get, "DELETE": delete},
            face=Face.JSON, cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "GET": Operation(
                    id="listSessionsOfUser", summary="Where a user is signed in", who=Who.OPERATOR,
                    shape="Sessions", missing=_MISSING,
                ),
                "DELETE": Operation(
                    id="endSessionsOfUser", summary="End all sessions of a user", who=Who.OPERATOR,
                    shape="Ended", flags=FLAGS, missing=_MISSING, signs_out=True,
                ),
            },
        )
    ]  # fmt: skip
