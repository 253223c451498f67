"""`/consent`: what an application will be able to do, and a yes or no. RFC 6749 §10.12, §10.13; RFC 9700 §4.16."""

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app import flow
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages.apps import reaches_everybody
from admit.issuer.app.pages.views import ConsentView, ScopeItem
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.oauth.authorize.request import AuthorizeRequest
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.sessions.records import Session


def routes(app: App, grants: GrantsConfig) -> list[Route]:
    """GET asks; POST takes the answer once, from this session and browser only."""

    async def get(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.required("i"))
        found = await app.session(call)
        if transaction is None or found is None:
            return app.redirect(app.there(call, "/login", i=call.query.required("i")))
        raw, session = found
        request = transaction.request
        shown = ConsentView(
            csrf=csrf.token(raw),
            interaction=transaction.handle,
            here=f"{app.here('/consent')}?i={transaction.handle}",
            client=flow.card(request),
            user_name=session.user.name,
            user_email=session.user.email_shown,
            scopes=scope_items(app, request, session),
            lasts_seconds=grants.refresh_absolute.total_seconds()
            if "offline_access" in request.scope
            else None,
            switch_url=f"{app.here('/login')}?i={transaction.handle}",
        )
        return app.page(
            call, shown, form_target=request.target.redirect_uri,
            ui_locales=chosen_locales(call) or request.ui_locales,
        )  # fmt: skip

    async def post(call: Call) -> Response:
        form = await call.form()
        found = await app.session(call)
        app.check_csrf(call, found[0] if found is not None else None, form.get("csrf"))
        transaction = await flow.resume(app, call, form.required("i"))
        decision = form.required("decision")
        if transaction is None or found is None or decision not in ("allow", "refuse"):
            raise InvalidRequestError("decision")
        if decision == "refuse":
            return await flow.deny(app, call, transaction, found[1])
        return await flow.proceed(
            app, call, transaction.request, found[1], transaction=transaction, consented=True
        )

    return [Route(path="/consent", handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION)]


def scope_items(app: App, request: AuthorizeRequest, session: Session) -> tuple[ScopeItem, ...]:
    """What will be granted: of the scopes asked for, those that this user may have, each with its resource's words."""
    resource = app.services.registry.resource(request.audience)
    texts = resource.scopes if resource is not None else {}
    shown = flow.shown_scope(app, request, session)
    return tuple(
        ScopeItem(name=name, text=texts.get(name), everybodys=reaches_everybody(name, session.user))
        for name in sorted(shown)
    )
