"""`/api/sessions`: where the caller is signed in, and ends of it (contracts §11)."""

from starlette.responses import Response

from admit.credentials.cors import CorsPolicy
from admit.issuer.app import answers
from admit.issuer.app.api import body, query, shapes
from admit.issuer.app.api.caller import Caller, Callers
from admit.issuer.app.api.described import FRESH, Operation, Told, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.oauth.errors import InvalidRequestError

REASON = "ended by user"
MISSING = "The caller has no such session, or it is over."
FLAGS = {
    "all": "The caller's own session too.",
    "offline": "Also what was granted for the time while the user is away. Means `all`.",
}


def routes(app: App, callers: Callers) -> list[Route]:
    """The list, and one of it."""
    sessions = app.services.sessions

    def signed_out(response: Response, caller: Caller, *, ended: bool) -> Response:
        if caller.by_cookie and ended:
            app.cookies.clear_session(response)
        return response

    async def get(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        entries = await sessions.list(caller.user.id, call.now)
        return answers.json(shapes.sessions(entries, current=caller.session_id))

    async def delete(call: Call) -> Response:
        caller = await callers.anybody(call)
        chosen = query.flags(call, FLAGS)
        user_id, info, now = caller.user.id, call.info, call.now
        if chosen["offline"]:
            callers.check_fresh(call, caller)
            ended = await sessions.end_everything(user_id, reason=REASON, info=info, now=now)
        else:
            keep = None if chosen["all"] else caller.session_id
            ended = await sessions.end_all(user_id, keep=keep, reason=REASON, info=info, now=now)
        answer = answers.json(
            shapes.ended(sessions=ended.sessions, grants=ended.grants, within=app.refused_within)
        )
        return signed_out(answer, caller, ended=chosen["all"] or chosen["offline"])

    async def delete_one(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        session_id = call.path_value
        ended = await sessions.end(
            session_id, user_id=caller.user.id, reason=REASON, info=call.info, now=call.now
        )
        if not ended:
            raise answers.NotFoundError("no such session of this user")
        return signed_out(Response(status_code=204), caller, ended=session_id == caller.session_id)

    async def patch_one(call: Call) -> Response:
        caller = await callers.anybody(call)
        query.flags(call)
        name = (await body.members(call, ("name",)))["name"]
        if name is not None and not isinstance(name, str):
            raise InvalidRequestError("name", public="The name is neither text nor null.")
        named = await sessions.rename(
            call.path_value, name, user_id=caller.user.id, info=call.info, now=call.now
        )
        if not named:
            raise answers.NotFoundError("no such session of this user")
        return Response(status_code=204)

    return [
        Route(
            path="/api/sessions", handlers={"GET": get, "DELETE": delete}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "GET": Operation(
                    id="listSessions", summary="Where the caller is signed in, the one used last first",
                    who=Who.USER, shape="Sessions",
                ),
                "DELETE": Operation(
                    id="endSessions", summary="End all other sessions of the caller", who=Who.USER,
                    shape="Ended", flags=FLAGS, fresh=f"With `offline`: {FRESH}", signs_out=True,
                ),
            },
        ),
        Route(
            path="/api/sessions/*", value="id", handlers={"DELETE": delete_one, "PATCH": patch_one}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "DELETE": Operation(
                    id="endSession", summary="End one session of the caller, and what it let in", who=Who.USER,
                    shape=None, missing=MISSING, signs_out=True,
                ),
                "PATCH": Operation(
                    id="nameSession", summary="Call one session of the caller by a name", who=Who.USER, shape=None,
                    takes="SessionName", missing=MISSING, refusals={"429": Told("Many were named lately.", "Error")},
                ),
            },
        ),
    ]  # fmt: skip
