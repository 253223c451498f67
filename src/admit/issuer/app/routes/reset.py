"""`/reset`: a new password by a link, mailed or handed over. Opening it changes nothing: scanners may open it too."""

from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from admit.errors import CsrfError, TooBusyError
from admit.issuer.accounts.errors import LinkError, PasswordError
from admit.issuer.accounts.links.rules import SET_A_PASSWORD
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
        link = await app.services.links.look(token, *SET_A_PASSWORD, now=call.now)
        if link is None:
            return None
        here = f"{app.here('/reset')}?{urlencode({'t': token})}"
        return ResetView(csrf="", here=here, token=token, email=link.email_shown)

    def dead(call: Call) -> Response:
        # Where no mail is sent there is nothing to ask for another one at but whoever gave it.
        told = Told.RESET_DEAD if app.services.links.is_on else Told.HANDED_DEAD
        return app.page(call, ToldView(told=told), status=400)

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
            shown = await view(call, token)
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
        # Who reads the account's mail, or is known to an operator, is let try its password, whatever others do.
        await know_device(app, call, response, user)
        return response

    return [Route(path="/reset", handlers={"GET": get, "POST": post}, face=Face.PAGE)]
