"""`/consent`: what an application will be able to do, and a yes or no. RFC 6749 §10.12, §10.13; RFC 9700 §4.16."""

from dataclasses import replace

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app import consenting, flow
from admit.issuer.app.api.described import Who
from admit.issuer.app.call import Call
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.flow import Transaction
from admit.issuer.app.pages.apps import reaches_everybody
from admit.issuer.app.pages.views import ConsentView, Problem, ScopeItem
from admit.issuer.clients.rules import ISSUER_SCOPES
from admit.issuer.consents import rules
from admit.issuer.consents.records import Remembered
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.oauth.authorize.request import AuthorizeRequest
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.sessions.records import Session

MOST_TICKS = 60
"""More scopes than these are let in or refused as a whole: a form has only so many fields."""
TICK = "keep:"


def routes(app: App, grants: GrantsConfig) -> list[Route]:
    """GET asks; POST takes the answer once, from this session and browser only."""

    async def get(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.required("i"))
        found = await app.session(call)
        if transaction is None or found is None:
            return app.redirect(app.there(call, "/login", i=call.query.required("i")))
        if needs_fresh_sign_in(app, call, transaction.request, found[1]):
            return app.redirect(app.there(call, "/login", i=transaction.handle))
        return shown_page(call, transaction, await view_of(call, transaction, *found))

    async def view_of(call: Call, transaction: Transaction, raw: bytes, session: Session) -> ConsentView:
        request = transaction.request
        items = scope_items(app, request, session, await consenting.before(app, request, session))
        resource = app.services.registry.resource(request.audience)
        view = ConsentView(
            csrf=csrf.token(raw),
            interaction=transaction.handle,
            here=f"{app.here('/consent')}?i={transaction.handle}",
            client=flow.card(request),
            resource=resource.name if resource is not None and request.audience != app.issuer else None,
            user_name=session.user.name,
            user_email=session.user.email_shown,
            scopes=items,
            ticks=may_tick(items),
            remembered=rules.is_remembered(request.client, request.target.redirect_uri),
            lasts_seconds=grants.refresh_absolute.total_seconds()
            if "offline_access" in request.scope
            else None,
            switch_url=f"{app.here('/login')}?i={transaction.handle}",
        )
        return replace(view, shown=consenting.digest(app, request, session, view))

    def shown_page(call: Call, transaction: Transaction, view: ConsentView) -> Response:
        request = transaction.request
        return app.page(
            call, view, form_target=request.target.redirect_uri,
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
        request, session = transaction.request, found[1]
        if decision == "refuse":
            return await flow.deny(app, call, transaction, session)
        if needs_fresh_sign_in(app, call, request, session):
            return app.redirect(app.there(call, "/login", i=transaction.handle))
        asked = await view_of(call, transaction, *found)
        if not consenting.is_what_was_shown(form.get("shown"), asked.shown):
            return shown_page(call, transaction, replace(asked, problem=Problem.CONSENT_CHANGED))
        said = await consenting.said(app, request, session, kept=kept_of(form, request), now=call.now)
        return await flow.proceed(app, call, request, session, transaction=transaction, said=said)

    return [Route(path="/consent", handlers={"GET": get, "POST": post}, face=Face.PAGE, who=Who.SESSION)]


def needs_fresh_sign_in(app: App, call: Call, request: AuthorizeRequest, session: Session) -> bool:
    """Whether the person has to sign in once more before giving away what guards the account: a script on an unlocked
    device could click, and does not know the password, RFC 6819 §4.4.1.10.
    """
    shown = consenting.shown_scope(app, request, session)
    return bool(shown & ISSUER_SCOPES) and not app.is_fresh(call, session)


def kept_of(form: Parameters, request: AuthorizeRequest) -> frozenset[str]:
    """The scopes that were left ticked; all of them where the page had no boxes."""
    if "ticked" not in form:
        return request.asked_scope
    return frozenset(name.removeprefix(TICK) for name in form if name.startswith(TICK))


def may_tick(items: tuple[ScopeItem, ...]) -> bool:
    """Whether each scope has a box of its own: where there is a choice, and not too much of it."""
    return 1 < len(items) <= MOST_TICKS


def scope_items(
    app: App, request: AuthorizeRequest, session: Session, before: Remembered | None = None
) -> tuple[ScopeItem, ...]:
    """What will be granted: of the scopes asked for, those that this user may have, each with its resource's words."""
    resource = app.services.registry.resource(request.audience)
    texts = resource.scopes if resource is not None else {}
    shown = consenting.shown(app, request, session)
    new = rules.unanswered(shown, before)
    return tuple(
        ScopeItem(
            name=name,
            text=texts.get(name),
            everybodys=reaches_everybody(name, session.user),
            fixed=name == rules.ALWAYS_GRANTED,
            # What was refused before comes without its tick: asked once more, it is not slipped in.
            ticked=before is None or name in new or name in before.granted,
            new=before is not None and name in new and name not in rules.ALWAYS_ASKED,
        )
        for name in sorted(shown)
    )
