"""`/account`: who I am here, where I am signed in, and which applications may act for me."""

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages import apps
from admit.issuer.app.pages.views import AccountView, Notice, SessionItem, SignedOutView
from admit.issuer.audit import AuditEvent
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.sessions.records import Session

DONE = {"ended": Notice.SESSION_ENDED, "others": Notice.OTHERS_ENDED, "app": Notice.APP_ENDED}


def routes(app: App) -> list[Route]:
    """GET lists; POST ends one session, all others, this one, an application's grants, or everything."""

    async def get(call: Call) -> Response:
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        return app.page(call, await view(call, *found, DONE.get(call.query.get("done", ""))))

    async def view(call: Call, raw: bytes, session: Session, notice: Notice | None) -> AccountView:
        entries = await app.services.sessions.list(session.user.id, call.now)
        families = await app.services.families.list(session.user.id, call.now)
        return AccountView(
            csrf=csrf.token(raw),
            here=app.here("/account"),
            user_name=session.user.name,
            user_email=session.user.email_shown,
            email_verified=session.user.email_verified_at is not None,
            since=session.user.created_at,
            sessions=tuple(
                SessionItem(
                    id=entry.id, user_agent=entry.user_agent or "", ip=entry.ip or "", started_at=entry.created_at,
                    last_seen_at=entry.last_seen_at, current=entry.id == session.id,
                )
                for entry in entries
            ),
            apps=apps.items(families, app.services.registry, session.user),
            now=call.now,
            notice=notice,
        )  # fmt: skip

    async def post(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        user_id, sessions = session.user.id, app.services.sessions
        match form.get("do"):
            case "end":
                await sessions.end(
                    form.required("session"),
                    user_id=user_id,
                    reason="ended by user",
                    info=call.info,
                    now=call.now,
                )
                return app.redirect(app.there(call, "/account", done="ended"))
            case "end_others":
                await sessions.end_all(
                    user_id, keep=session.id, reason="ended by user", info=call.info, now=call.now
                )
                return app.redirect(app.there(call, "/account", done="others"))
            case "end_app":
                await app.services.families.end_of_user_and_client(
                    user_id, form.required("client"), reason="ended by user", info=call.info, now=call.now
                )
                return app.redirect(app.there(call, "/account", done="app"))
            case "end_everything":
                await sessions.end_everything(user_id, reason="ended by user", info=call.info, now=call.now)
                response = app.page(call, SignedOutView(everywhere=True))
                app.cookies.clear_session(response)
                return response
            case "sign_out":
                await sessions.end(
                    session.id,
                    user_id=user_id,
                    reason="logout",
                    event=AuditEvent.LOGOUT,
                    info=call.info,
                    now=call.now,
                )
                response = app.page(call, SignedOutView())
                app.cookies.clear_session(response)
                return response
            case _:
                raise InvalidRequestError("do")

    async def home(call: Call) -> Response:
        return app.redirect(app.there(call, "/account"))

    return [
        Route(path="/account", handlers={"GET": get, "POST": post}, face=Face.PAGE),
        Route(path="/", handlers={"GET": home}, face=Face.PAGE),
    ]
