"""`/reset`: a new password by a mailed link. Opening the link changes nothing, so that scanners may open it too."""

from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from admit.errors import CsrfError, TooBusyError
from admit.issuer.accounts.errors import LinkError, PasswordError
from admit.issuer.accounts.links import Purpose
from admit.issuer.app.answers import NotFoundError
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import know_device
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import password_problem, show, show_put_off
from admit.issuer.app.pages.views import Problem
from admit.issuer.app.pages.views_mail import ResetView, Told, ToldView


def routes(app: App) -> list[Route]:
    """GET shows the form; POST sets the password once, and signs nobody in."""

    async def view(call: Call, token: str) -> ResetView | None:
        if not app.services.links.is_on:
            raise NotFoundError("no mail is sent here")
        link = await app.services.links.look(token, Purpose.RESET, call.now)
        if link is None:
            return None
        here = f"{app.here('/reset')}?{urlencode({'t': token})}"
        return ResetView(csrf="", here=here, token=token, email=link.email_shown)

    def dead(call: Call) -> Response:
        return app.page(call, ToldView(told=Told.RESET_DEAD), status=400)

    async def get(call: Call) -> Response:
        shown = await view(call, call.query.get("t", ""))
        return show(app, call, shown) if shown is not None else dead(call)

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        token, password = form.get("t", ""), form.get("password", "")
        try:
            app.check_csrf(call, app.cookies.pre_session(call), form.get("csrf"))
        except CsrfError:
            shown = await view(call, token) if app.services.links.is_on else None
            if shown is None:
                raise
            return show(app, call, replace(shown, problem=Problem.FORM_STALE), status=403)
        shown = await view(call, token)
        try:
            # Also where the link looks dead already: that is where its use is refused and told.
            user = await app.services.links.reset(token, password, info=call.info, now=call.now)
        except LinkError:
            return dead(call)
        except PasswordError as error:
            if shown is None:
                return dead(call)
            return show(app, call, replace(shown, fields={"password": password_problem(password, error)}))
        except TooBusyError as error:
            if shown is None:
                return dead(call)
            return show_put_off(app, call, shown, error)
        response = app.page(call, ToldView(told=Told.PASSWORD_SET))
        # Who reads the account's mail is let try its password, whatever others do.
        await know_device(app, call, response, user)
        return response

    return [Route(path="/reset", handlers={"GET": get, "POST": post}, face=Face.PAGE)]
