"""`/forgot`: have a link mailed that sets a new password. What is answered says nothing about accounts."""

from dataclasses import replace

from starlette.responses import Response

from admit.errors import CsrfError, ThrottledError
from admit.issuer.accounts.errors import EmailError
from admit.issuer.app.answers import NotFoundError
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import show, show_put_off
from admit.issuer.app.pages.views import Problem
from admit.issuer.app.pages.views_mail import ForgotView, Told, ToldView


def routes(app: App) -> list[Route]:
    """GET shows the form; POST keeps the wish. Whose address it is, if anybody's, is looked up later."""

    def must_be_on() -> None:
        if not app.services.links.is_on:
            raise NotFoundError("no mail is sent here")

    async def get(call: Call) -> Response:
        must_be_on()
        return show(app, call, ForgotView(csrf="", here=app.here("/forgot")))

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        email = form.get("email", "")
        shown = ForgotView(csrf="", here=app.here("/forgot"), email=email)
        try:
            app.check_csrf(call, app.cookies.pre_session(call), form.get("csrf"))
        except CsrfError:
            if not app.services.links.is_on:
                raise
            return show(app, call, replace(shown, problem=Problem.FORM_STALE), status=403)
        must_be_on()
        try:
            await app.services.links.ask_reset(email, locale=app.lang(call), info=call.info, now=call.now)
        except EmailError:
            problem = Problem.EMAIL_INVALID if email else Problem.EMAIL_MISSING
            return show(app, call, replace(shown, fields={"email": problem}))
        except ThrottledError as error:
            return show_put_off(app, call, shown, error)
        return app.page(call, ToldView(told=Told.RESET_SENT))

    return [Route(path="/forgot", handlers={"GET": get, "POST": post}, face=Face.PAGE)]
