"""`/account/second-factor`: authenticator apps and recovery codes of one's own.

Everything that changes something wants a sign-in of a few minutes ago, with the second factor where there is one: who
finds an unlocked screen, or has the password alone, adds and removes nothing (MFA-5 of the threat ledger).
"""

from dataclasses import replace

from starlette.responses import Response

from admit.credentials import csrf
from admit.errors import SessionError
from admit.issuer.accounts.errors import PersonNameError
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import know_device
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages.qr import qr_code
from admit.issuer.app.pages.views import Notice, Problem
from admit.issuer.app.pages.views_second_factor import (
    AddAppView,
    AppRow,
    RecoveryCodesView,
    SecondFactorView,
)
from admit.issuer.app.routes.second_factor import PROBLEMS
from admit.issuer.clients.records import ACR_2FA
from admit.issuer.factors import rules
from admit.issuer.factors.assurance import Proof, reached, suffices
from admit.issuer.factors.driver import after_change, by_session
from admit.issuer.factors.records import Enrolled, Enrolment, Refusal, Refused
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.sessions.records import Session

PAGE = "/account/second-factor"
ADD = "/account/second-factor/add"
DONE = {"added": Notice.FACTOR_ADDED, "removed": Notice.FACTOR_REMOVED}


def may_change(session: Session, *, has_app: bool) -> bool:
    """Whether this session has shown the second factor that its user has. One that has not is from before the factor,
    and is over; should one be left, it adds and removes nothing.
    """
    return not has_app or suffices(session.acr, ACR_2FA)


def routes(app: App) -> list[Route]:
    """The list, and the page that adds an app."""
    factors = app.services.factors

    async def again(call: Call, session: Session) -> Response | None:
        """None where this session may change factors; else where its user shows the password and the factor anew."""
        if may_change(session, has_app=await factors.has_app(session.user.id)):
            return await app.fresh(call, session)
        return app.redirect(app.there(call, "/login", again="1", next="second-factor"))

    async def view(
        call: Call,
        raw: bytes,
        session: Session,
        *,
        notice: Notice | None = None,
        problem: Problem | None = None,
    ) -> SecondFactorView:
        there = await factors.view(session.user.id)
        return SecondFactorView(
            csrf=csrf.token(raw),
            here=app.here(PAGE) if problem is None else None,
            problem=problem,
            apps=tuple(
                AppRow(
                    id=one.id, name=one.name, number=number, created_at=one.created_at,
                    last_used_at=one.last_used_at,
                )
                for number, one in enumerate(there.apps, 1)
            ),
            codes_left=there.codes_left,
            now=call.now,
            must_have=factors.must_have(session.user),
            full=len(there.apps) >= factors.config.most_apps,
            notice=notice,
        )  # fmt: skip

    async def get(call: Call) -> Response:
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login", next="second-factor"))
        return app.page(call, await view(call, *found, notice=DONE.get(call.query.get("done", ""))))

    async def post(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login", next="second-factor"))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        if (elsewhere := await again(call, session)) is not None:
            return elsewhere
        match form.get("do"):
            case "add":
                begun = await factors.begin_enrolment(session.user.id, session.id, call.now)
                return app.redirect(app.there(call, ADD, f=begun))
            case "remove":
                return await remove(call, raw, session, form.required("app"))
            case "codes":
                made = await factors.renew_codes(session.user, info=call.info, now=call.now)
                if made is None:
                    return app.page(call, await view(call, raw, session, problem=Problem.FACTORS_CHANGED))
                return app.page(call, codes_view(call, made))
            case _:
                raise InvalidRequestError("do")

    async def remove(call: Call, raw: bytes, session: Session, app_id: str) -> Response:
        gone = await factors.remove(session.user, app_id, keep=session.id, info=call.info, now=call.now)
        if gone is None or isinstance(gone, Refused):
            return app.page(call, await view(call, raw, session, problem=Problem.FACTORS_CHANGED))
        response = app.redirect(app.there(call, PAGE, done="removed"))
        await know_device(
            app, call, response, after_change(session.user)
        )  # it made strangers of all browsers
        return response

    def codes_view(call: Call, codes: tuple[str, ...], *, ended: bool = False) -> RecoveryCodesView:
        shown = tuple(rules.grouped(code, "-") for code in codes)
        return RecoveryCodesView(codes=shown, go_on_url=app.there(call, PAGE), ended=ended)

    async def adding(
        call: Call, raw: bytes, session: Session, enrolment: Enrolment, name: str = ""
    ) -> AddAppView:
        secret, user = enrolment.secret, session.user
        return AddAppView(
            csrf=csrf.token(raw),
            here=f"{app.here(ADD)}?f={enrolment.id}",
            handle=enrolment.id,
            qr=qr_code(rules.otpauth_uri(secret, site=app.pages.site, account=user.email_shown)),
            secret=rules.grouped(rules.secret_text(secret), " "),
            name=name,
            first=not await factors.has_app(user.id),
        )

    async def begun(call: Call, session: Session, app_id: str | None) -> Enrolment | None:
        return await factors.enrolment(session.user.id, app_id or "", by_session(session.id), call.now)

    async def get_add(call: Call) -> Response:
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login", next="second-factor"))
        raw, session = found
        if (elsewhere := await again(call, session)) is not None:
            return elsewhere
        enrolment = await begun(call, session, call.query.get("f"))
        if enrolment is None:
            return app.redirect(app.there(call, PAGE))
        return app.page(call, await adding(call, raw, session, enrolment))

    async def post_add(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login", next="second-factor"))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        if (elsewhere := await again(call, session)) is not None:
            return elsewhere
        enrolment = await begun(call, session, form.required("f"))
        if enrolment is None:
            return app.redirect(app.there(call, PAGE))
        code, name = form.get("code", ""), form.get("name", "")
        shown = await adding(call, raw, session, enrolment, name)
        if not code.strip():
            return app.page(call, replace(shown, fields={"code": Problem.CODE_MISSING}))
        try:
            enrolled = await factors.confirm(
                session.user,
                enrolment.id,
                code,
                session_id=session.id,
                name=name,
                info=call.info,
                now=call.now,
            )
        except PersonNameError:
            return app.page(call, replace(shown, fields={"name": Problem.APP_NAME_INVALID}))
        if isinstance(enrolled, Refused):
            if enrolled.reason is Refusal.WRONG:
                return app.page(call, replace(shown, fields={"code": PROBLEMS[enrolled.reason]}))
            return app.page(call, await view(call, raw, session, problem=Problem.FACTORS_CHANGED))
        return await added(call, session, enrolled)

    async def added(call: Call, session: Session, enrolled: Enrolled) -> Response:
        """The first app ended all that the password had opened, this session too: here is the new one."""
        if not enrolled.recovery_codes:
            return app.redirect(app.there(call, PAGE, done="added"))
        shown = reached({Proof.PASSWORD, Proof.TOTP})
        try:
            new = await app.services.sessions.start(
                after_change(session.user),
                auth_time=session.auth_time,  # of the password: of the two proofs the earlier
                acr=shown.acr,
                amr=shown.amr,
                info=call.info,
                now=call.now,
            )
        except SessionError:  # disabled, or changed once more, meanwhile
            return app.redirect(app.there(call, "/login"))
        response = app.page(call, codes_view(call, enrolled.recovery_codes, ended=enrolled.ended > 1))
        app.cookies.set_session(response, new.raw)
        await know_device(app, call, response, new.session.user)
        return response

    return [
        Route(path=PAGE, handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION),
        Route(path=ADD, handlers={"GET": get_add, "POST": post_add}, face=Face.PAGE, who=Who.SESSION),
    ]
