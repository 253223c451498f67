"""`/api/session`: a page of a first-party application asks for its session's CSRF token, and may end the session.

Contracts §4, §11. Its scripts may read the answer only from a registered first-party origin; the session cookie gets
there because the application shares the issuer's host.
"""

from starlette.responses import Response

from admit.credentials import csrf
from admit.credentials.cors import CorsPolicy
from admit.errors import SessionError
from admit.issuer.app import answers
from admit.issuer.app.api import query
from admit.issuer.app.api.described import Operation, Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.audit import AuditEvent


def routes(app: App, origins: frozenset[str]) -> list[Route]:
    """GET tells, DELETE ends. `origins` are those whose pages may use the session cookie."""

    async def get(call: Call) -> Response:
        query.flags(call)
        found = await app.session(call)
        if found is None:
            raise SessionError("no live session")
        raw, session = found
        return answers.json(
            {
                "csrf_token": csrf.token(raw),
                "sid": session.id,
                "sub": session.user.id,
                "name": session.user.name,
                "expires_at": int(session.expires_at),
            }
        )

    async def delete(call: Call) -> Response:
        query.flags(call)
        found = await app.session_to_end(call)
        if found is None:
            raise SessionError("no live session")
        raw, session = found
        csrf.check(call.headers, "DELETE", origins=origins, raw_id=raw)
        await app.services.sessions.end(
            session.id,
            user_id=session.user.id,
            reason="logout",
            event=AuditEvent.LOGOUT,
            info=call.info,
            now=call.now,
        )
        response = Response(status_code=204)
        app.cookies.clear_session(response)
        return response

    return [
        Route(
            path="/api/session", handlers={"GET": get, "DELETE": delete}, face=Face.JSON,
            cors=CorsPolicy.REGISTERED_WITH_COOKIES,
            told={
                "GET": Operation(
                    id="getSession", summary="The caller's session, and its CSRF token", who=Who.SESSION,
                    shape="OwnSession",
                ),
                "DELETE": Operation(
                    id="endOwnSession", summary="Sign out", who=Who.SESSION, shape=None, signs_out=True,
                ),
            },
        )
    ]  # fmt: skip
