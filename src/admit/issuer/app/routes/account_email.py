"""`/account/email`: prove the account's address, or have another one take its place."""

from dataclasses import replace

from starlette.responses import Response

from admit.credentials import csrf
from admit.errors import ThrottledError
from admit.issuer.accounts.errors import EmailError, EmailTakenError
from admit.issuer.app.answers import NotFoundError
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import later, put_off
from admit.issuer.app.pages.views import Problem
from admit.issuer.app.pages.views_mail import EmailNotice, EmailView
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.sessions.records import Session

DONE = {"link": EmailNotice.LINK_SENT}


def routes(app: App) -> list[Route]:
    """GET shows; POST mails a link. Both only to who signed in a short while ago."""
    links = app.services.links

    def view(raw: bytes, session: Session) -> EmailView:
        return EmailView(
            csrf=csrf.token(raw),
            here=app.here("/account/email"),
            user_email=session.user.email_shown,
            email_verified=session.user.email_verified_at is not None,
        )

    def must_be_on() -> None:
        if not links.is_on:
            raise NotFoundError("no mail is sent here")

    async def get(call: Call) -> Response:
        must_be_on()
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        again = await app.fresh(call, found[1])
        if again is not None:
            return again
        return app.page(call, replace(view(*found), notice=DONE.get(call.query.get("done", ""))))

    async def post(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        if found is None:
            return app.redirect(app.there(call, "/login"))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        must_be_on()
        again = await app.fresh(call, session)
        if again is not None:
            return again
        match form.get("do"):
            case "resend":
                if session.user.email_verified_at is None:
                    await links.send_verification(session.user, now=call.now)
            case "change":
                refused = await change(call, view(raw, session), session, form.get("email", ""))
                if refused is not None:
                    return refused
            case _:
                raise InvalidRequestError("do")
        return app.redirect(app.there(call, "/account/email", done="link"))

    async def change(call: Call, shown: EmailView, session: Session, email: str) -> Response | None:
        """What is wrong with the wish; None when a link is on its way. Whether the address is somebody else's is told
        to that person only.
        """
        shown = replace(shown, email=email)
        try:
            await links.ask_change(session.user, email, info=call.info, now=call.now)
        except EmailTakenError:
            return app.page(call, replace(shown, fields={"email": Problem.EMAIL_SAME}))
        except EmailError:
            problem = Problem.EMAIL_INVALID if email else Problem.EMAIL_MISSING
            return app.page(call, replace(shown, fields={"email": problem}))
        except ThrottledError as error:
            return later(app.page(call, put_off(shown, error), status=error.status), error)
        return None

    return [
        Route(path="/account/email", handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION)
    ]
