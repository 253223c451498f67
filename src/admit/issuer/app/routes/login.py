"""`/login`: the sign-in page. RFC 9700 §4.12: the password never travels on."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from admit.errors import CsrfError, SessionError, ThrottledError, TooBusyError
from admit.issuer.accounts.records import User
from admit.issuer.app import after_sign_in, flow, sign_in_gate
from admit.issuer.app.call import Call
from admit.issuer.app.context import App
from admit.issuer.app.devices import device_of
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.forms import outcome, show, show_put_off
from admit.issuer.app.pages.views import Problem, SignInView
from admit.issuer.oauth.authorize.decide import Progress, SignedIn, is_meant, needs_login
from admit.issuer.oauth.authorize.request import Prompt
from admit.issuer.storage import Steps


def routes(app: App) -> list[Route]:
    """GET shows the form, POST signs in."""

    async def get(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.get("i"))
        shown = view(app, call, transaction)
        if transaction is None:
            next, found = after_sign_in.known(call.query.get("next")), await app.session(call)
            if found is not None and call.query.get("again") != "1":
                return app.redirect(app.there(call, after_sign_in.path_of(next)))
            email = shown.email if found is None else found[1].user.email_shown
            shown = on_the_way(shown, next, again=found is not None, email=email)
        else:
            shown = await confirming(app, call, transaction, shown)
        return show(app, call, shown, transaction)

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        pre_session = app.cookies.pre_session(call)
        transaction = await flow.resume(app, call, form.get("i")) if pre_session is not None else None
        email, password = form.get("email", ""), form.get("password", "")
        next, again = after_sign_in.known(form.get("next")), form.get("again") == "1"
        shown = view(app, call, transaction)
        if transaction is not None:
            shown = await confirming(app, call, transaction, shown)
        shown = on_the_way(shown, next, again=again, email=email)
        try:
            app.check_csrf(call, pre_session, form.get("csrf"))
        except CsrfError:
            return show(app, call, replace(shown, problem=Problem.FORM_STALE), transaction, status=403)
        if not email or not password:
            nobody = Problem.USERNAME_MISSING if shown.by_username else Problem.EMAIL_MISSING
            missing = {"email": nobody} if not email else {"password": Problem.PASSWORD_MISSING}
            return show(app, call, replace(shown, fields=missing), transaction)
        # An application may call somebody by another name than they sign in with; whoever types one is meant by it.
        found = await app.session(call) if again and app.services.accounts.is_elsewhere else None
        named = found is not None and email == found[1].user.email_shown
        try:
            right = await app.services.accounts.try_password(
                email=email,
                password=password,
                info=call.info,
                now=call.now,
                device=device_of(app, call),
                whose=found[1].user if found is not None and named else None,
            )
        except (ThrottledError, TooBusyError) as error:
            call.outcome = outcome(error)
            return show_put_off(app, call, shown, error, transaction)
        if right is None:
            call.outcome = "wrong"
            problem = Problem.PASSWORD_WRONG if again else wrong_login(app)
            return show(app, call, replace(shown, problem=problem), transaction)
        try:
            return await begin_session(
                app, call, right.user, transaction, next=next, give_back=right.give_back
            )
        except SessionError:  # disabled, or another password was set, since this one was checked
            call.outcome = "refused"
            await app.services.db.run(right.give_back)  # nothing was begun that gave it back
            return show(app, call, replace(shown, problem=wrong_login(app)), transaction)

    return [Route(path="/login", handlers={"GET": get, "POST": post}, face=Face.PAGE)]


def on_the_way(shown: SignInView, next: str, *, again: bool, email: str) -> SignInView:
    """The form for who goes on to a page of ours; `again`: who is signed in types the password once more."""
    query = {"again": "1"} if again else {}
    query |= {"next": next} if next else {}
    here = f"{shown.here}?{urlencode(query)}" if query and not shown.interaction else shown.here
    return replace(shown, next=next, again=again, email=email, here=here)


async def confirming(app: App, call: Call, transaction: flow.Transaction, shown: SignInView) -> SignInView:
    """The form for somebody who is signed in, of whom the client wants a newer or a surer sign-in (RFC 9470 §5): it
    says that, and whom it means. Anybody else may sign in by it all the same.
    """
    found = await app.session(call)
    if found is None:
        return shown
    session, request = found[1], transaction.request
    signed_in = SignedIn(session.id, session.user.id, session.auth_time, session.acr)
    progress = Progress(session_id=transaction.interaction.session_id)
    meant = is_meant(request, signed_in) and shown.email in ("", session.user.email, session.user.email_shown)
    if not meant or not needs_login(request, signed_in, progress, now=call.now):
        return shown
    named = session.user.email_shown
    return replace(shown, confirms=True, email="" if shown.by_username and "@" in named else named)


def wrong_login(app: App) -> Problem:
    """What is said for each sign-in that is refused, whatever the reason, known account or not."""
    if app.services.accounts.signs_in_by == "username":
        return Problem.WRONG_USERNAME
    return Problem.WRONG_OR_UNVERIFIED if app.services.links.wants_proof else Problem.WRONG_LOGIN


async def begin_session(
    app: App,
    call: Call,
    user: User,
    transaction: flow.Transaction | None,
    *,
    next: str = "",
    give_back: Callable[[], Steps[None]] = sign_in_gate.nothing,
) -> Response:
    """What follows a right password: a session, or first the second factor. Every way in comes through here.
    `give_back` is the price of the try, given back with what is begun.

    Raises:
        SessionError: nothing is begun; the account was disabled or got another password meanwhile, or its address has
            to be proven first, and a link for that is on its way.
    """
    if app.services.links.must_verify(user):
        await app.services.links.refuse_unverified(user, info=call.info, now=call.now)
        raise SessionError("the address is not proven")
    return await sign_in_gate.after_password(app, call, user, transaction, next=next, give_back=give_back)


def view(app: App, call: Call, transaction: flow.Transaction | None) -> SignInView:
    """The empty form of this transaction; its CSRF token is set when it is shown."""
    request = transaction.request if transaction is not None else None
    hint = request.login_hint if request is not None and Prompt.SELECT_ACCOUNT not in request.prompt else None
    handle = transaction.handle if transaction is not None else ""
    return SignInView(
        csrf="",
        interaction=handle,
        here=app.here("/login") + (f"?i={handle}" if handle else ""),
        client=flow.card(request) if request is not None else None,
        email=hint or "",
        by_username=app.services.accounts.signs_in_by == "username",
        can_sign_up=not app.services.accounts.is_elsewhere,
        can_reset=app.services.links.is_on,
    )
