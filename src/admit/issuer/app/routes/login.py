"""`/login`: the sign-in page. RFC 9700 §4.12: the password never travels on."""

from dataclasses import replace

from starlette.responses import Response

from admit.credentials import csrf
from admit.errors import CsrfError, SessionError, ThrottledError, TooBusyError
from admit.issuer.accounts.records import User
from admit.issuer.app import flow
from admit.issuer.app.call import Call
from admit.issuer.app.context import App, chosen_locales
from admit.issuer.app.dispatch import Face, Route
from admit.issuer.app.pages.views import Problem, SignInView, SignUpView
from admit.issuer.oauth.authorize.request import Prompt
from admit.issuer.sessions.records import NewSession

ACR_PASSWORD = "urn:admit:acr:1fa"  # noqa: S105  # the name of a class of sign-ins, no password
AMR_PASSWORD = ("pwd",)


def routes(app: App) -> list[Route]:
    """GET shows the form, POST signs in."""

    async def get(call: Call) -> Response:
        transaction = await flow.resume(app, call, call.query.get("i"))
        if transaction is None and await app.session(call) is not None:
            return app.redirect(app.there(call, "/account"))
        return show(app, call, transaction, view(app, call, transaction))

    async def post(call: Call) -> Response:
        form = await call.form()
        app.check_origin(call)
        pre_session = app.cookies.pre_session(call)
        transaction = await flow.resume(app, call, form.get("i")) if pre_session is not None else None
        email, password = form.get("email", ""), form.get("password", "")
        shown = replace(view(app, call, transaction), email=email)
        try:
            app.check_csrf(call, pre_session, form.get("csrf"))
        except CsrfError:
            return show(app, call, transaction, replace(shown, problem=Problem.FORM_STALE), status=403)
        if not email or not password:
            missing = (
                {"email": Problem.EMAIL_MISSING} if not email else {"password": Problem.PASSWORD_MISSING}
            )
            return show(app, call, transaction, replace(shown, fields=missing))
        try:
            user = await app.services.accounts.check_password(
                email=email, password=password, info=call.info, now=call.now
            )
        except ThrottledError as error:
            limited = replace(shown, problem=Problem.TOO_MANY, wait_seconds=error.retry_after)
            return show(app, call, transaction, limited, status=429, retry_after=error.retry_after)
        except TooBusyError as error:
            busy = replace(shown, problem=Problem.TOO_BUSY)
            return show(app, call, transaction, busy, status=503, retry_after=error.retry_after)
        if user is None:
            return show(app, call, transaction, replace(shown, problem=Problem.WRONG_LOGIN))
        try:
            return await begin_session(app, call, user, transaction)
        except SessionError:  # disabled, or another password was set, since this one was checked
            return show(app, call, transaction, replace(shown, problem=Problem.WRONG_LOGIN))

    return [Route(path="/login", handlers={"GET": get, "POST": post}, face=Face.PAGE)]


async def begin_session(app: App, call: Call, user: User, transaction: flow.Transaction | None) -> Response:
    """A session under a new id, and on with the transaction."""
    new = await session_for(app, call, user)
    if transaction is None:
        response = app.redirect(app.there(call, "/account"))
    else:
        await app.services.interactions.note_session(
            transaction.handle, transaction.binding, new.session.id, call.now
        )
        noted = await flow.resume(app, call, transaction.handle)
        response = await flow.proceed(app, call, transaction.request, new.session, transaction=noted)
    app.cookies.set_session(response, new.raw)
    return response


async def session_for(app: App, call: Call, user: User) -> NewSession:
    """The person's own live session under a new id, so that signing in again for one application signs no other out;
    else a new session, and whatever other session the browser brought is ended.

    Raises:
        SessionError: the account was disabled, or got another password, since this one was checked.
    """
    # Whole seconds, as tokens tell it: both must say the same.
    signed_in_at = float(int(call.now))
    raw, sessions = app.cookies.session(call), app.services.sessions
    if raw is not None:
        try:
            return await sessions.renew(
                raw, user_id=user.id, acr=ACR_PASSWORD, amr=AMR_PASSWORD, info=call.info, now=signed_in_at
            )
        except SessionError:
            pass  # over, or somebody else's
    return await sessions.start(
        user,
        auth_time=signed_in_at,
        acr=ACR_PASSWORD,
        amr=AMR_PASSWORD,
        info=call.info,
        now=call.now,
        replace=raw,
    )


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
    )


def show(
    app: App,
    call: Call,
    transaction: flow.Transaction | None,
    form: SignInView | SignUpView,
    *,
    status: int | None = None,
    retry_after: float | None = None,
) -> Response:
    """A form of the pre-session, with its CSRF token and, where the browser has none yet, its cookie."""
    raw, fresh = app.cookies.ensure_pre_session(call)
    request = transaction.request if transaction is not None else None
    response = app.page(
        call,
        replace(form, csrf=csrf.token(raw)),
        status=status,
        form_target=request.target.redirect_uri if request is not None else None,
        ui_locales=chosen_locales(call) or (request.ui_locales if request is not None else None),
    )
    if fresh:
        app.cookies.set_pre_session(response, raw)
    if retry_after is not None:
        response.headers["retry-after"] = str(int(retry_after))
    return response
