"""`/login/account`: as whom to go on, where an application asks that people choose. OpenID Connect Core §3.1.2.1."""

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app import flow
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages.views import SelectAccountView
from admit.issuer.oauth.errors import InvalidRequestError

PATH = flow.SELECT


def routes(app: App) -> list[Route]:
    """GET shows who is signed in; POST goes on as them. Whoever is somebody else goes to the sign-in."""

    async def get(call: Call) -> Response:
        handle = call.query.required("i")
        transaction = await flow.resume(app, call, handle)
        found = await app.session(call)
        if transaction is None or found is None:
            return app.redirect(app.there(call, "/login", i=handle))
        raw, session = found
        shown = SelectAccountView(
            csrf=csrf.token(raw),
            interaction=handle,
            here=f"{app.here(PATH)}?i={handle}",
            client=flow.card(transaction.request),
            user_name=session.user.name,
            user_email=session.user.email_shown,
            switch_url=app.there(call, "/login", i=handle),
        )
        request = transaction.request
        return app.page(
            call, shown, form_target=request.target.redirect_uri,
            ui_locales=chosen_locales(call) or request.ui_locales,
        )  # fmt: skip

    async def post(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        # Its token is of this very session: who is somebody else by now has not said yes to that.
        app.check_csrf(call, found[0] if found is not None else None, form.get("csrf"))
        transaction = await flow.resume(app, call, form.required("i"))
        if transaction is None or found is None:
            raise InvalidRequestError("no transaction")
        return await flow.proceed(
            app, call, transaction.request, found[1], transaction=transaction, chosen=True
        )

    return [Route(path=PATH, handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION)]
