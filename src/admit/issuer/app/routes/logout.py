"""`/logout`: RP-initiated logout, OpenID Connect RP-Initiated Logout §2, and the sign-out of our own pages."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from admit.credentials import csrf
from admit.issuer.app.call import Call
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.flow import ExpiredInteractionError
from admit.issuer.app.pages.views import ClientCard, ErrorView, LogoutView, SignedOutView, Trouble
from admit.issuer.audit import AuditEvent
from admit.issuer.clients.records import Client
from admit.issuer.clients.rules import RESERVED_CLIENT_ID
from admit.issuer.oauth import logout
from admit.issuer.oauth.authorize.respond import host
from admit.issuer.oauth.errors import UntrustedLogoutError
from admit.issuer.oauth.logout import LogoutRequest
from admit.issuer.oauth.parameters import Parameters, as_query
from admit.issuer.sessions.records import Session

POSTED: Final = b"admit-logout-by-post"
"""What a request that came by POST is bound to: no browser, since another site's POST brings no cookie of ours to bind
it to. It is as good as the address that a client could have sent the browser to itself.
"""

TROUBLES: Final = {
    "id_token_hint": Trouble.LOGOUT_HINT,
    "client_id": Trouble.LOGOUT_CLIENT,
    logout.SAYS_WHO: Trouble.LOGOUT_WHO,
    "post_logout_redirect_uri": Trouble.LOGOUT_RETURN,
}


def routes(app: App) -> list[Route]:
    """GET logs out who proves to be meant, and asks everybody else; POST takes the answer."""

    async def judged(parameters: Parameters, now: float) -> LogoutRequest:
        keys = app.services.keys.snapshot.hint_keys
        return await logout.judge(parameters, app.services.clients, keys, issuer=app.issuer, now=now)

    def told(call: Call, error: UntrustedLogoutError) -> Response:
        """A page that says which thing was wrong; nothing of what came is on it."""
        call.refused = error
        trouble = TROUBLES.get(error.parameter, Trouble.BAD_REQUEST)
        return app.page(call, ErrorView(trouble=trouble, id=call.request_id), status=error.status)

    async def get(call: Call) -> Response:
        try:
            return await answered(call)
        except UntrustedLogoutError as error:
            return told(call, error)

    async def post(call: Call) -> Response:
        try:
            return await taken(call)
        except UntrustedLogoutError as error:
            return told(call, error)

    async def answered(call: Call) -> Response:
        query = call.query
        if "i" in query:
            posted = await app.services.interactions.get(query["i"], POSTED, call.now)
            if posted is None:
                raise ExpiredInteractionError("no such request by POST")
            query = Parameters(posted.request)
        request = await judged(query, call.now)
        found = await app.session_to_end(call)
        if found is None:
            return await done(call, request)
        raw, session = found
        if logout.needs_confirmation(request, session.id, session.user.id):
            return await ask(call, query, request, raw, session)
        return await end(call, session, request)

    async def ask(
        call: Call, query: Parameters, request: LogoutRequest, raw: bytes, session: Session
    ) -> Response:
        kept: dict[str, str | bool] = {
            name: query[name] for name in ("post_logout_redirect_uri", "state", "ui_locales") if name in query
        }
        kept["proven"] = request.proven
        if request.client is not None:
            kept["client_id"] = request.client.id
        client_id = request.client.id if request.client is not None else RESERVED_CLIENT_ID
        handle = await app.services.interactions.begin(
            client_id=client_id,
            request=kept,
            binding=raw,
            session_id=session.id,
            now=call.now,
            info=call.info,
        )
        shown = LogoutView(
            csrf=csrf.token(raw),
            interaction=handle,
            user_email=session.user.email_shown,
            client=client_card(request.client),
        )
        return app.page(call, shown, form_target=request.return_uri, ui_locales=locales(call, request))

    async def taken(call: Call) -> Response:
        form = await call.form()
        if "csrf" not in form:
            return await by_post(call, form)
        found = await app.session_to_end(call)
        if found is None:
            return await done(call, await judged(Parameters({}), call.now))
        raw, session = found
        app.check_csrf(call, raw, form.get("csrf"))
        kept = await app.services.interactions.finish(form.get("i", ""), raw, call.now)
        if kept is None:
            raise ExpiredInteractionError("no such confirmation")
        asked = {name: value for name, value in kept.request.items() if name != "proven"}
        # An ID token showed which client asks before the page was shown, and is not kept.
        request = replace(await judged(Parameters(asked), call.now), proven=bool(kept.request.get("proven")))
        return await end(call, session, request)

    async def by_post(call: Call, form: Parameters) -> Response:
        """From a client's page, perhaps on another site, whose POST brings no cookie. As a GET it does; the ID token
        stays out of the address, where it would be logged and grow too long.
        """
        await judged(form, call.now)  # what is refused is not kept
        if "id_token_hint" not in form:
            return app.redirect(f"{app.here('/logout')}?{as_query(form)}")
        handle = await app.services.interactions.begin(
            client_id=RESERVED_CLIENT_ID, request=logout.understood(form), binding=POSTED, now=call.now,
            info=call.info,
        )  # fmt: skip
        return app.redirect(app.there(call, "/logout", i=handle))

    async def end(call: Call, session: Session, request: LogoutRequest) -> Response:
        await app.services.sessions.end(
            session.id,
            user_id=session.user.id,
            reason="logout",
            event=AuditEvent.LOGOUT,
            info=call.info,
            now=call.now,
        )
        return await done(call, request)

    async def done(call: Call, request: LogoutRequest) -> Response:
        # Without a hint nobody proved who asks, so the way back is a link and no redirect.
        if logout.goes_back(request):
            response = app.redirect(return_location(request))
        else:
            shown = SignedOutView(
                client=client_card(request.client),
                return_url=return_location(request) if request.return_uri is not None else None,
            )
            response = app.page(call, shown, ui_locales=locales(call, request))
        if may_clear(app.cookies.session(call)):
            app.cookies.clear_session(response)
        return response

    return [
        Route(
            path="/logout", handlers={"GET": get, "POST": post}, face=Face.PAGE, get_changes=True,
            exempt="an ID token of the session speaks for the person; without one a page with a CSRF token asks",
        )
    ]  # fmt: skip


def may_clear(sent: bytes | None) -> bool:
    """Only a cookie that came along is taken back. Another site's form brings no Lax cookie, and the answer to it may
    still set one: it would log people out without having asked them.
    """
    return sent is not None


def locales(call: Call, request: LogoutRequest) -> str | None:
    """The languages that the page's own address chose, else those that the client asked for."""
    return chosen_locales(call) or request.ui_locales


def return_location(request: LogoutRequest) -> str:
    """The registered URI with `state`, OpenID Connect RP-Initiated Logout §3."""
    uri = request.return_uri or ""
    if request.state is None:
        return uri
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode({'state': request.state})}"


def client_card(client: Client | None) -> ClientCard | None:
    """The client that asks, as the pages show it."""
    if client is None or not client.redirect_uris:
        return None
    return ClientCard(name=client.name, host=host(client.redirect_uris[0]), verified=client.trusted)
