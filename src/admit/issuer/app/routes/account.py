"""`/account`: who I am here, where I am signed in, and which applications may act for me."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages import apps
from admit.issuer.app.pages.views import (
    SECTIONS,
    AccountView,
    Notice,
    Problem,
    SessionItem,
    SignedOutView,
)
from admit.issuer.audit import AuditEvent
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.sessions.errors import SessionNameError
from admit.issuer.sessions.records import Session

ENDS: Final = frozenset({"end", "end_others", "end_app", "end_everything", "sign_out"})
"""What ends, and changes nothing else: done even while an application that keeps the accounts does not answer."""
DONE: Final = {
    "ended": Notice.SESSION_ENDED,
    "named": Notice.SESSION_NAMED,
    "known": Notice.SESSION_KNOWN,
    "others": Notice.OTHERS_ENDED,
    "app": Notice.APP_ENDED,
    "password": Notice.PASSWORD_CHANGED,
}
REASON: Final = "ended by user"

Act = Callable[[Call, Parameters, bytes, Session], Awaitable[Response]]


def routes(app: App, has: Callable[[str], bool] = lambda path: False) -> list[Route]:
    """GET lists; POST ends or names one session, ends all others, this one, an application's grants, or everything.

    `has` says whether this issuer serves a path: the pages below this one are linked where they are there.
    """
    sessions = app.services.sessions

    async def get(call: Call) -> Response:
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        notice = DONE.get(call.query.get("done", ""))
        return app.page(call, replace(await view(call, *found), notice=notice))

    async def view(call: Call, raw: bytes, session: Session) -> AccountView:
        entries = await sessions.list(session.user.id, call.now)
        families = await app.services.families.list(session.user.id, call.now)
        remembered = await app.services.consents.list(session.user.id)
        ids = {family.client_id for family in families} | {answer.client_id for answer in remembered}
        clients = await app.services.clients.find_many(ids)
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
                    last_seen_at=entry.last_seen_at, current=entry.id == session.id, name=entry.name or "",
                    unfamiliar=entry.unfamiliar,
                )
                for entry in entries
            ),
            apps=apps.items(families, remembered, clients, app.services.registry, session.user),
            sections=tuple(section for section in SECTIONS if has(section.path)),
            now=call.now,
        )  # fmt: skip

    async def post(call: Call) -> Response:
        form = await call.form()
        ends = form.get("do", "") in ENDS
        found = await (app.session_to_end(call) if ends else app.session(call))
        if found is None:
            return app.redirect(app.there(call, "/login"))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        act = acts.get(form.get("do", ""))
        if act is None:
            raise InvalidRequestError("do")
        return await act(call, form, raw, session)

    def done(call: Call, what: str) -> Response:
        return app.redirect(app.there(call, "/account", done=what))

    async def end(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        await sessions.end(
            form.required("session"), user_id=session.user.id, reason=REASON, info=call.info, now=call.now
        )
        return done(call, "ended")

    async def name(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        named, typed = form.required("session"), form.get("name", "")
        try:
            await sessions.rename(named, typed, user_id=session.user.id, info=call.info, now=call.now)
        except SessionNameError:
            shown = await view(call, raw, session)
            return app.page(
                call, replace(shown, naming=named, name_typed=typed, fields={"name": Problem.SESSION_NAME})
            )
        return done(call, "named")

    async def known(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        await sessions.vouch(
            form.required("session"),
            witness=session.id,
            user_id=session.user.id,
            info=call.info,
            now=call.now,
        )
        return done(call, "known")

    async def end_others(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        await sessions.end_all(session.user.id, keep=session.id, reason=REASON, info=call.info, now=call.now)
        return done(call, "others")

    async def end_app(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        await app.services.consents.take_back(
            session.user.id, form.required("client"), reason=REASON, info=call.info, now=call.now
        )
        return done(call, "app")

    async def end_everything(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        again = await app.fresh(call, session)
        if again is not None:
            return again
        await sessions.end_everything(session.user.id, reason=REASON, info=call.info, now=call.now)
        response = app.page(call, SignedOutView(everywhere=True))
        app.cookies.clear_session(response)
        return response

    async def sign_out(call: Call, form: Parameters, raw: bytes, session: Session) -> Response:
        await sessions.end(
            session.id,
            user_id=session.user.id,
            reason="logout",
            event=AuditEvent.LOGOUT,
            info=call.info,
            now=call.now,
        )
        response = app.page(call, SignedOutView())
        app.cookies.clear_session(response)
        return response

    acts: dict[str, Act] = {
        "end": end,
        "name": name,
        "known": known,
        "end_others": end_others,
        "end_app": end_app,
        "end_everything": end_everything,
        "sign_out": sign_out,
    }

    async def home(call: Call) -> Response:
        return app.redirect(app.there(call, "/account"))

    return [
        Route(path="/account", handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION),
        Route(path="/", handlers={"GET": home}, face=Face.PAGE),
    ]
